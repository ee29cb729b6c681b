"""Format tables and scores as text.

Scores have the format of the authors: "max (mean)", and "EM / F1" for reading comprehension.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Iterable, Sequence

NOTHING = "–"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a title, cells and notes. `key`: for file names and anchors."""

    key: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def max_and_mean(values: Iterable[tuple[float, float | None]]) -> str:
    """Return text such as "65.5 (64.4) / 84.5 (84.0)": maximum and mean per metric."""
    return " / ".join(f"{best:.1f}" if mean is None else f"{best:.1f} ({mean:.1f})" for best, mean in values) or NOTHING


def numbers(values: Iterable[float | None], pattern: str = ".1f") -> str:
    """Return text such as "65.5 / 84.5"; None becomes –."""
    return " / ".join(NOTHING if value is None else format(value, pattern) for value in values) or NOTHING


def as_markdown(table: Table, *, level: int = 2) -> str:
    """Return Markdown: a heading, the table, and its notes below."""
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
    """Return an HTML section with the table and its notes."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table.header)
    rows = "\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in table.notes)
    return (
        f'<section id="{html.escape(table.key)}"><h2>{html.escape(table.title)}</h2>\n'
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table></div>\n'
        + (f"<ul>{notes}</ul>\n" if notes else "")
        + "</section>\n"
    )
