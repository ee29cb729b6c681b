"""Gather fine-tuning runs into the tables of the authors' document, next to their published numbers.

A run is what `paddle-wwm finetune --output` has written; a folder that holds runs works too. Per task a table of
models: max (mean) over the seeds, standard deviation, published scores, difference; where models were tested on several
tasks, also the small models' table and relative scores. report.md and report.html show them (the page with the points
of all seeds and learning curves), scores.csv has all numbers in full precision.

Runs of one task with different data or recipes are refused; the error names the files and the fields. Seeds that are
not finished are listed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "gather fine-tuning runs into tables and a page"
EXAMPLES = """\
examples:
  # Tables of all runs on the screen, and in report/
  paddle-wwm report runs/*
  paddle-wwm report runs/chnsenticorp-* --output report/chnsenticorp --format html csv
  # Relative scores: this model is 100%
  paddle-wwm report runs --reference chinese-roberta-wwm-ext"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the description, the examples and the flags."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    from ..reports.report import FILES

    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or folders that hold some")
    parser.add_argument(
        "--output", type=Path, default=Path("report"), metavar="DIR", help="where the files go (default: %(default)s)"
    )
    parser.add_argument(
        "--format", nargs="+", choices=list(FILES), default=list(FILES), help="what is written (default: all)"
    )
    parser.add_argument(
        "--reference", metavar="MODEL", help="the model of 100%% (default: RoBERTa-wwm-ext, or the largest)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the tables and write the files."""
    from ..reports.report import make_report, markdown_of, write_report

    report = make_report(arguments.runs, reference=arguments.reference)
    print(markdown_of(report))
    for path in write_report(report, output=arguments.output, formats=arguments.format):
        print(f"written: {path}")
