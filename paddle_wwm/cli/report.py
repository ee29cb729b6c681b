"""Collect fine-tuning runs in tables like those of the models' authors, next to the published scores.

A run is a folder written by `paddle-wwm finetune --output`; a folder that holds runs works too. Each task has a table
of models: max (mean) over the seeds, standard deviation, published scores, difference. If models were tested on several
tasks, there are also the table of small models and relative scores. report.md and report.html show the tables; the
HTML page also shows the scores of all seeds and learning curves. scores.csv holds all numbers in full precision.

Runs of one task with different data or recipes are refused; the error names the files and the fields. Unfinished seeds
are listed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "collect fine-tuning runs in tables and an HTML page"
EXAMPLES = """\
examples:
  # Tables of all runs on the screen, and in report/
  paddle-wwm report runs/*
  paddle-wwm report runs/chnsenticorp-* --output report/chnsenticorp --format html csv
  # Scores relative to this model (100%)
  paddle-wwm report runs --reference chinese-roberta-wwm-ext"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    from ..reports.report import FILES

    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs, or folders that hold them")
    parser.add_argument(
        "--output", type=Path, default=Path("report"), metavar="DIR", help="the output folder (default: %(default)s)"
    )
    parser.add_argument(
        "--format", nargs="+", choices=list(FILES), default=list(FILES), help="the files to write (default: all)"
    )
    parser.add_argument(
        "--reference", metavar="MODEL", help="the model whose score is 100%% (default: RoBERTa-wwm-ext, or the largest)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the tables and write the files."""
    from ..reports.report import make_report, markdown_of, write_report

    report = make_report(arguments.runs, reference=arguments.reference)
    print(markdown_of(report))
    for path in write_report(report, output=arguments.output, formats=arguments.format):
        print(f"written: {path}")
