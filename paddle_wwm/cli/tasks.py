"""Print the table of tasks: files, columns, labels, metrics, and the recipe of the models' authors for each.

For one task, also print its files. With --data, read the files of a folder and count their examples.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError

if TYPE_CHECKING:
    from ..datasets.dataset import Dataset

SUMMARY = "print the table of tasks, or check the files of one"
EXAMPLES = """\
examples:
  # The table
  paddle-wwm tasks
  # One task, with the file names that its authors use
  paddle-wwm tasks cmrc2018
  # Check that your files are complete: read them and count the examples
  paddle-wwm tasks cmrc2018 --data data/cmrc2018
  # Everything, for programs
  paddle-wwm tasks --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument("name", nargs="?", metavar="NAME", help="one task")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder with files of the task, to read and count")
    parser.add_argument("--json", action="store_true", help="print JSON")


def check(arguments: argparse.Namespace, *, parser: argparse.ArgumentParser) -> None:
    """Refuse flags that do not fit together."""
    if arguments.data and not arguments.name:
        parser.error("--data needs the name of a task")


def run(arguments: argparse.Namespace) -> None:
    """Print the table, one task or JSON."""
    from ..config import to_plain
    from ..datasets.table import DATASETS, find_dataset
    from ..markdown import aligned_table
    from ..tasks.examples import TaskName

    chosen = [find_dataset(arguments.name)] if arguments.name else list(DATASETS.values())
    found = found_in(chosen[0], data=arguments.data) if arguments.data else None
    if arguments.json:
        print(
            json.dumps(
                [{**to_plain(dataset), **({"found": found} if found else {})} for dataset in chosen],
                ensure_ascii=False,
                indent=2,
            )
        )
    elif arguments.name:
        print(details_of(chosen[0]))
        for split, read in (found or {}).items():
            print(_line(split, read))
    else:
        print(aligned_table([row_of(one) for one in chosen]))
        reading = ", ".join(dataset.name for dataset in chosen if dataset.task is TaskName.QUESTION_ANSWERING)
        print(
            f"\nLearning rates are the authors' best; for small models (RBT3, …) those of BERT-wwm are assumed. "
            f"Reading comprehension: {reading}."
        )
        print(
            "For your own files, flags describe the task: paddle-wwm finetune --kind classification --train "
            "train.tsv --dev dev.tsv"
        )


def row_of(dataset: Dataset) -> dict[str, str]:
    """Return the cells of a task's row by column, for display."""
    rates = dataset.learning_rates or {"any": dataset.learning_rate}
    return {
        "name": dataset.name,
        "title": dataset.title,
        "kind": dataset.task.value,
        "labels": str(len(dataset.labels)) if dataset.labels else "-",
        "metric": dataset.metric,
        "length": str(dataset.max_seq_length),
        "batch": str(dataset.batch_size),
        "epochs": str(dataset.num_epochs),
        "learning rate (BERT / ERNIE / BERT-wwm)": " / ".join(
            f"{rate:.0e}".replace("e-0", "e-") for rate in rates.values()
        ),
    }


def details_of(dataset: Dataset) -> str:
    """Return all facts about a task, one per line."""
    facts = {**row_of(dataset), "read as": dataset.reader}
    if dataset.labels:
        facts["labels"] = ", ".join(dataset.labels)
    facts |= {f"files: {split}": " or ".join(names) for split, names in dataset.files.items()}
    return "\n".join(f"{name:<42}{value}" for name, value in facts.items())


def found_in(dataset: Dataset, *, data: Path) -> dict[str, dict[str, Any]]:
    """Return the facts about a task's files in a folder, by split.

    Raises:
        DataError: A file is wrong, or the folder has no file of the task.
    """
    from ..datasets.readers.splits import read_split, split_path

    found = {}
    for split in dataset.files:
        if split_path(dataset, data=data, split=split) is not None:
            read = read_split(dataset, data=data, split=split)
            found[split] = {
                "path": read.path,
                "num_examples": len(read.examples),
                "has_labels": read.has_labels,
                "counts": dict(read.counts),
            }
    if not found:
        read_split(dataset, data=data, split=next(iter(dataset.files)))  # raises, and names the missing file
        raise DataError(f"{data}: holds no file of {dataset.title}.")
    return found


def _line(split: str, found: dict[str, Any]) -> str:
    counts = ", ".join(f"{number:,} {rule.replace('_', ' ')}" for rule, number in found["counts"].items())
    labels = "" if found["has_labels"] else ", no labels"
    return f"{split:<42}{found['num_examples']:,} examples of {found['path']}{labels}{f': {counts}' if counts else ''}"
