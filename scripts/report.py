#!/usr/bin/env python
"""Gather fine-tuning runs into the tables of the authors' document, beside their published numbers.

  python scripts/report.py runs/*                               tables of all runs on the screen, and in report/
  python scripts/report.py runs/chnsenticorp-* --output report/chnsenticorp --format html csv
  python scripts/report.py runs --reference chinese-roberta-wwm-ext       relative scores: which model is 100%

A run is what scripts/finetune.py --output has written; a folder that holds runs will do. Per task a table of models: max (mean) over the seeds,
standard deviation, published scores, difference; where models were tested on several tasks, the small models' table and relative scores, too.
report.md and report.html show them (the page with the points of all seeds and learning curves), scores.csv has all numbers in full precision.

Runs of one task with different data or recipes are refused, by the names of the files and of the fields. Seeds that are not finished are listed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from paddle_wwm.errors import run_script  # noqa: E402


def main() -> None:
    from paddle_wwm.tasks.reports.report import FILES, make_report, markdown_of, write_report

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    arguments = parser.parse_args()
    report = make_report(arguments.runs, reference=arguments.reference)
    print(markdown_of(report))
    for path in write_report(report, output=arguments.output, formats=arguments.format):
        print(f"written: {path}")


if __name__ == "__main__":
    run_script(main)
