"""What several commands share: flags for tasks, heads, masking and servers, and the end of a conversion."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping, Sequence

if TYPE_CHECKING:
    from ..datasets.dataset import Dataset


def add_task_flags(group: argparse._ArgumentGroup, *, files: Mapping[str, str]) -> None:
    """Define the flags for a task from the table or for the user's own files.

    Args:
        group: The group that gets the flags.
        files: The flags for the user's own files, without dashes, and their help texts.
    """
    group.add_argument(
        "--task", metavar="NAME", help="chnsenticorp, xnli, lcqmc, cmrc2018, drcd, …; see `paddle-wwm tasks`"
    )
    group.add_argument(
        "--data", type=Path, metavar="DIR", help="the folder with the files of the task, as published by its authors"
    )
    group.add_argument(
        "--kind", metavar="KIND", help="for your own files: classification, token-labels or reading-comprehension"
    )
    for name, text in files.items():
        group.add_argument(f"--{name}", type=Path, metavar="FILE", help=text)
    group.add_argument(
        "--format", metavar="NAME", help="format of your own files, such as csv (default: as their content shows)"
    )
    group.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="for your own files: the column (name, or number from 0) of text, text_pair, label, …",
    )
    group.add_argument(
        "--drop-label",
        action="append",
        default=[],
        metavar="VALUE",
        help="leave out the rows with this label, such as - or -1, and count them; '': rows without a label; may be "
        "repeated",
    )
    group.add_argument("--metric", metavar="NAME", help="metric for your own files (default: by kind)")


def check_task_flags(arguments: argparse.Namespace, *, parser: argparse.ArgumentParser, file: str) -> None:
    """Exit with an error unless the flags describe exactly one task.

    `file` is the flag that --kind needs, without dashes.
    """
    if (arguments.task is None) == (arguments.kind is None):
        parser.error(f"give --task with --data, or --kind with --{file}")
    if arguments.task and arguments.data is None:
        parser.error("--task needs --data, the folder with its files")
    if arguments.kind and getattr(arguments, file) is None:
        parser.error(f"--kind needs --{file}")


def chosen_dataset(
    arguments: argparse.Namespace, *, name: str, files: Mapping[str, Path | None], labels: Sequence[str] = ()
) -> Dataset:
    """Return the data set that the flags describe.

    `files` are the user's own files by split. None: the file is not given.
    """
    from dataclasses import replace

    from ..datasets.own_files import checked_drop_labels, columns_of_flags, dataset_of_flags
    from ..datasets.table import find_dataset

    if arguments.task:
        found = find_dataset(arguments.task)
        dropped = checked_drop_labels(arguments.drop_label, task=found.task, labels=found.labels)
        return replace(found, drop_labels=dropped)
    return dataset_of_flags(
        name=name,
        kind=arguments.kind,
        files={split: path for split, path in files.items() if path is not None},
        reader=arguments.format,
        columns=columns_of_flags(arguments.column),
        labels=tuple(labels),
        drop_labels=arguments.drop_label,
        metric=arguments.metric,
    )


def label_names_of(value: str) -> Any:
    """Return the labels that a flag gives: a file, JSON, or words with commas."""
    import json

    from ..errors import ConfigError
    from ..hub.finetuned import read_label_file

    if not Path(value).is_file() and value.lstrip().startswith(("{", "[")):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ConfigError(f"{value}: is not valid JSON: {error}.") from None
    if not Path(value).is_file() and "," in value:
        return [word.strip() for word in value.split(",")]
    return read_label_file(Path(value))  # its error names the file: one label alone is not a list


def label_list_of(value: str) -> list[str]:
    """Return the labels of --label-map in the order of their numbers.

    Raises:
        ConfigError: the numbers are not 0, 1, 2, …
    """
    from ..errors import ConfigError

    names = label_names_of(value)
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted((str(number) for number in range(len(names))), key=str):
            raise ConfigError(f"{value}: must number the labels 0, 1, 2, … without gaps, but has {', '.join(names)}.")
        names = [names[str(number)] for number in range(len(names))]
    return [str(name) for name in names]


def add_head_flags(parser: argparse.ArgumentParser, *, of: str, tasks: Sequence[str] | None, more: str = "") -> None:
    """Define --task and --label-map for the head of a fine-tuned model.

    Args:
        of: what has the head, for the help texts.
        tasks: the allowed values of --task; None: the library checks them.
        more: the end of the help text of --task.
    """
    parser.add_argument(
        "--task",
        metavar=None if tasks else "NAME",
        choices=tasks,
        help=f"the task of the fine-tuned head of {of}, if its files do not state it{more}",
    )
    parser.add_argument(
        "--label-map",
        metavar="FILE_OR_LIST",
        help=f"labels of the fine-tuned head by class number, if {of} does not name them: no,yes, or a file: JSON "
        '{"0": "no", …} or a list, or one label per line',
    )


def convert_and_print(
    source: str | Path, *, target: Path, to: str, arguments: argparse.Namespace, **others: Any
) -> None:
    """Convert with a bar, and print what was done.

    Args:
        source: the model.
        target: the new folder.
        to: the framework.
        arguments: with --overwrite, and --dry-run if the command has it.
        others: more arguments of `convert`.
    """
    from ..conversion.convert import convert
    from ..conversion.result import describe
    from ..progress import show_bar

    dry_run = getattr(arguments, "dry_run", False)
    others |= {"overwrite": arguments.overwrite, "dry_run": dry_run, "progress": show_bar}
    print(describe(convert(source, target=target, to=to, **others)))


def add_masking_flags(parser: argparse.ArgumentParser, *, with_recipe: bool) -> None:
    """Define --pairing, --strategy and --actions; with a recipe they default to None."""
    from ..config import SentencePairing
    from ..masking_config import ActionUnit, MaskingStrategy

    recipe = "the recipe's, or " if with_recipe else ""
    for name, values, default, text in (
        ("pairing", SentencePairing, "next-sentence", "how examples are made of sentences"),
        ("strategy", MaskingStrategy, "whole-word", "the unit that is selected for masking"),
        ("actions", ActionUnit, "piece", "the unit that becomes [MASK], a random token, or unchanged"),
    ):
        parser.add_argument(
            f"--{name}",
            choices=[item.value for item in values],
            default=None if with_recipe else default,
            help=f"{text} (default: {recipe}{default})",
        )


def add_server_flags(parser: argparse.ArgumentParser, *, port: int) -> None:
    """Define --host and --port. By default a server listens on this machine only."""
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="the address to bind to (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=port, metavar="N", help="port; 0: any free port (default: %(default)s)"
    )
