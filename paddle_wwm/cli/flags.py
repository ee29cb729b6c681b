"""Flags that several commands have: the task and its files, masking, the address of a server."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, Sequence

if TYPE_CHECKING:
    from ..datasets.dataset import Dataset


def add_task_flags(group: argparse._ArgumentGroup, *, files: Mapping[str, str]) -> None:
    """Add the flags of a task: one of the table, or the user's own files.

    Args:
        group: The group of flags that is added to.
        files: The flags of the user's own files, without dashes, and the help of each.
    """
    group.add_argument(
        "--task", metavar="NAME", help="chnsenticorp, xnli, lcqmc, cmrc2018, drcd, … see `paddle-wwm tasks`"
    )
    group.add_argument(
        "--data", type=Path, metavar="DIR", help="the folder with its files, as their authors publish them"
    )
    group.add_argument(
        "--kind", metavar="KIND", help="of your own files: classification, token-labels or reading-comprehension"
    )
    for name, text in files.items():
        group.add_argument(f"--{name}", type=Path, metavar="FILE", help=text)
    group.add_argument("--format", metavar="NAME", help="how your files are read (default: by kind and file name)")
    group.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="text, text_pair, label, …: a name, or a number from 0",
    )
    group.add_argument("--metric", metavar="NAME", help="of your own files (default: by kind)")


def check_task_flags(arguments: argparse.Namespace, *, parser: argparse.ArgumentParser, file: str) -> None:
    """Refuse flags that describe no task, or two. `file`: the flag that --kind needs, without dashes."""
    if (arguments.task is None) == (arguments.kind is None):
        parser.error(f"give --task with --data, or --kind with --{file}")
    if arguments.task and arguments.data is None:
        parser.error("--task needs --data, the folder with its files")
    if arguments.kind and getattr(arguments, file) is None:
        parser.error(f"--kind needs --{file}")


def chosen_dataset(
    arguments: argparse.Namespace, *, name: str, files: Mapping[str, Path | None], labels: Sequence[str] = ()
) -> Dataset:
    """Return the data set that the flags describe. `files` are the user's own; None is a file not given."""
    from ..datasets.own_files import columns_of_flags, dataset_of_flags
    from ..datasets.table import find_dataset

    if arguments.task:
        return find_dataset(arguments.task)
    return dataset_of_flags(
        name=name,
        kind=arguments.kind,
        files={split: path for split, path in files.items() if path is not None},
        reader=arguments.format,
        columns=columns_of_flags(arguments.column),
        labels=tuple(labels),
        metric=arguments.metric,
    )


def add_masking_flags(parser: argparse.ArgumentParser, *, with_recipe: bool) -> None:
    """Add --pairing, --strategy and --actions. With a recipe, a flag that is not given is None."""
    from ..config import SentencePairing
    from ..masking_config import ActionUnit, MaskingStrategy

    recipe = "the recipe's, or " if with_recipe else ""
    for name, values, default, text in (
        ("pairing", SentencePairing, "next-sentence", "what an example is made of"),
        ("strategy", MaskingStrategy, "whole-word", "what is selected"),
        ("actions", ActionUnit, "piece", "what draws [MASK], random or kept"),
    ):
        parser.add_argument(
            f"--{name}",
            choices=[item.value for item in values],
            default=None if with_recipe else default,
            help=f"{text} (default: {recipe}{default})",
        )


def add_server_flags(parser: argparse.ArgumentParser, *, port: int) -> None:
    """Add --host and --port. Without them a server answers on this machine only, at `port`."""
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="the address to bind to (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=port, metavar="N", help="0: any free one (default: %(default)s)")
