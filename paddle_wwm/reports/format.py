"""Tables as text, and how scores are written in them: the authors' form is max (mean), EM / F1 for reading
comprehension.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Iterable, Sequence

NOTHING = "–"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A heading, what is to be known before reading, and cells. key: for the names of files and anchors."""

    key: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def max_and_mean(values: Iterable[tuple[float, float | None]]) -> str:
    """ "65.5 (64.4) / 84.5 (84.0)": a maximum and a mean for every metric."""
    return " / ".join(f"{best:.1f}" if mean is None else f"{best:.1f} ({mean:.1f})" for best, mean in values) or NOTHING


def numbers(values: Iterable[float | None], pattern: str = ".1f") -> str:
    """ "65.5 / 84.5"; – where there is none."""
    return " / ".join(NOTHING if value is None else format(value, pattern) for value in values) or NOTHING


def as_markdown(table: Table, *, level: int = 2) -> str:
    """A heading, the table, and its notes below."""
    lines = [f"{'#' * level} {table.title}", ""] if table.title else []
    lines += ["| " + " | ".join(_cell(cell) for cell in table.header) + " |", "|" + "|".join(_rule(table)) + "|"]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in table.rows]
    lines += [""] + [f"- {note}" for note in table.notes] if table.notes else []
    return "\n".join(lines) + "\n"


def _rule(table: Table) -> Sequence[str]:
    return [" --- " if column == 0 else " ---: " for column in range(len(table.header))]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def as_html(table: Table) -> str:
    """A section with the table and its notes."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table.header)
    rows = "\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in table.notes)
    return (
        f'<section id="{html.escape(table.key)}"><h2>{html.escape(table.title)}</h2>\n'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>\n"
        + (f"<ul>{notes}</ul>\n" if notes else "")
        + "</section>\n"
    )


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; margin: .5rem 0; }}
th, td {{ border-bottom: 1px solid #ddd; padding: .3rem .7rem; text-align: right; white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; }}
img {{ max-width: 100%; }} ul {{ color: #555; }}
</style></head><body><h1>{title}</h1>
{body}</body></html>
"""


def html_page(*, title: str, sections: Iterable[str]) -> str:
    """A page that needs no other file."""
    return PAGE.format(title=html.escape(title), body="\n".join(sections))
