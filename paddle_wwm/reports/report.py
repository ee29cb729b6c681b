"""A report of fine-tuning runs: tables and plots as Markdown, as one HTML page, and all numbers as CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

from ..files import atomic_write
from ..html_page import html_page
from .format import Table, as_html, as_markdown
from .plots import plots_of
from .runs import Gathered, gather
from .score_tables import tables_of

TITLE = "Fine-tuning results"
FILES = {"markdown": "report.md", "html": "report.html", "csv": "scores.csv"}
CSV_COLUMNS = (
    *("task", "model", "split", "metric", "max", "mean", "std", "num_seeds", "published_max", "published_mean"),
    *("difference", "learning_rate", "num_parameters", "seeds", "values", "runs"),
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The gathered runs and their tables."""

    gathered: Gathered
    tables: tuple[Table, ...]


def make_report(paths: Iterable[Path], *, reference: str | None = None) -> Report:
    """Read the runs and make the tables.

    Raises:
        DataError: there are no runs, or they cannot be compared.
    """
    gathered = gather(list(paths))
    return Report(gathered=gathered, tables=tuple(tables_of(gathered, reference=reference)))


def markdown_of(report: Report) -> str:
    """Return Markdown: all tables, then unfinished seeds and skipped folders."""
    parts = [f"# {TITLE}\n", *(as_markdown(table) for table in report.tables)]
    parts += [
        f"## {title}\n\n" + "".join(f"- {line}\n" for line in lines) for title, lines in _left_out(report.gathered)
    ]
    return "\n".join(parts)


def _left_out(gathered: Gathered) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (title, lines)
        for title, lines in (("Not finished", gathered.unfinished), ("Skipped", gathered.skipped))
        if lines
    ]


def html_of(report: Report) -> str:
    """Return one HTML page with tables and plots. It needs no other files."""
    plots = plots_of(report.gathered.entries)
    sections = [as_html(table) + (f"{plots[table.key]}\n" if table.key in plots else "") for table in report.tables]
    for title, lines in _left_out(report.gathered):
        table = Table(
            key=title.lower().replace(" ", "-"), title=title, header=("folder",), rows=tuple((line,) for line in lines)
        )
        sections.append(as_html(table))
    return html_page(title=TITLE, sections=sections)


def csv_of(report: Report) -> str:
    """Return CSV with a line per task, model, split and metric, in full precision."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for task, entries in report.gathered.entries.items():
        for entry in entries:
            for split in entry.splits:
                for metric in entry.results[0].scores[split]:
                    summary, published = entry.summary(split, metric), entry.published(split, metric)
                    theirs = (
                        None if published is None else (published.max if published.mean is None else published.mean)
                    )
                    ours = summary.max if published is not None and published.mean is None else summary.mean
                    writer.writerow(
                        {
                            "task": task,
                            "model": entry.name,
                            "split": split,
                            "metric": metric,
                            "max": summary.max,
                            "mean": summary.mean,
                            "std": summary.std,
                            "num_seeds": summary.num_seeds,
                            "published_max": published.max if published else None,
                            "published_mean": published.mean if published else None,
                            "difference": None if theirs is None else ours - theirs,
                            "learning_rate": entry.record.learning_rate,
                            "num_parameters": entry.record.model.get("num_parameters"),
                            "seeds": " ".join(str(result.seed) for result in entry.results),
                            "values": " ".join(repr(result.scores[split][metric]) for result in entry.results),
                            "runs": " ".join(map(str, entry.paths)),
                        }
                    )
    return stream.getvalue()


WRITERS = {"markdown": markdown_of, "html": html_of, "csv": csv_of}


def write_report(report: Report, *, output: Path, formats: Iterable[str] = tuple(FILES)) -> list[Path]:
    """Write the files of a report into the folder `output`, and return their paths."""
    paths = []
    for name in formats:
        with atomic_write(output / FILES[name], "w") as stream:
            stream.write(WRITERS[name](report))
        paths.append(output / FILES[name])
    return paths
