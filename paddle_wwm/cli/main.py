"""Find the command, parse its arguments, run it."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import NoReturn, Sequence

from ..errors import USER_ERROR_EXIT_STATUS
from ..version import __version__
from .parser import CommandParser
from .process import run_script

PROGRAM = "paddle-wwm"
# The commands, grouped by purpose. The module of "hub serve-archives" is hub_serve_archives.
GROUPS: dict[str, tuple[str, ...]] = {
    "Prepare text": (
        "build-vocab",
        "propose-words",
        "prepare-corpus",
        "inspect-shards",
        "show-masking",
        "export-examples",
    ),
    "Pretrain": ("pretrain",),
    "Use a model on a task": ("finetune", "evaluate", "report", "tasks"),
    "Models and weights": ("models", "download", "convert", "verify-conversion", "extend-vocab"),
    "PaddleHub modules": (
        "hub build",
        "hub install",
        "hub uninstall",
        "hub serve",
        "hub serve-archives",
        "hub fill-mask",
        "hub export",
    ),
    "This installation": ("doctor",),
}
SHOW_PROGRESS = (
    *("prepare-corpus", "inspect-shards", "export-examples", "pretrain", "finetune", "evaluate", "download", "convert"),
)
COMMANDS: tuple[str, ...] = tuple(name for names in GROUPS.values() for name in names)
OTHER_WORDS = {"train": "pretrain", "fine-tune": "finetune", "test": "evaluate", "list": "models", "check": "doctor"}
FAMILIES = tuple(dict.fromkeys(name.split()[0] for name in COMMANDS if " " in name))  # "hub"


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its status.

    Status 0: success; 2: an error that the user can fix; 130 or 143: stopped by a signal.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    run_script(lambda: _run(arguments))
    raise AssertionError("run_script exits the process")


def _run(argv: list[str]) -> int | None:
    name, rest = split_command(argv)
    if name in COMMANDS:
        arguments = parse(name, rest)
        return load(name).run(arguments)
    if rest and rest[0] in ("-h", "--help"):
        print(overview(family=name))
        return None
    if not name and rest == ["--version"]:
        print(f"{PROGRAM} {__version__}")
        return None
    if not rest:
        print(overview(family=name), file=sys.stderr)
    else:
        print(f"error: {_unknown(name, rest)}", file=sys.stderr)
    return USER_ERROR_EXIT_STATUS


def split_command(argv: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of the command, and its arguments.

    Without a command, the name is "" or a family ("hub").
    """
    words = list(argv[:2])
    for count in (2, 1):
        name = " ".join(words[:count])
        if len(words) >= count and name in COMMANDS:
            return name, list(argv[count:])
    if words and words[0] in FAMILIES:
        return words[0], list(argv[1:])
    return "", list(argv)


def load(name: str) -> ModuleType:
    """Import the module of a command."""
    return importlib.import_module("." + name.replace(" ", "_").replace("-", "_"), package=__package__)


def make_parser(name: str) -> CommandParser:
    """Make the parser of a command."""
    parser = CommandParser(
        prog=f"{PROGRAM} {name}", formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=True
    )
    load(name).add_arguments(parser)
    if name in SHOW_PROGRESS:
        from ..progress import MODES

        modes = "; ".join(f"{mode}: {text}" for mode, text in MODES.items())
        parser.add_argument(
            "--progress", choices=list(MODES), help=f"the form of the progress on stderr. {modes} (default: auto)"
        )
    return parser


def parse(name: str, argv: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments of a command.

    If they are wrong, print an error and exit with status 2.

    Raises:
        ConfigError: An address, such as s3://bucket/name, is given as a local path.
    """
    command, parser = load(name), make_parser(name)
    parser.argv = argv
    intermixed = getattr(command, "INTERMIXED", False)
    arguments = parser.parse_intermixed_args(argv) if intermixed else parser.parse_args(argv)
    from ..files import require_local
    from ..progress import MODE_VARIABLE

    for value in vars(arguments).values():
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, Path):
                require_local(path)
    arguments.command_line = tuple(argv)
    if getattr(arguments, "progress", None):
        os.environ[MODE_VARIABLE] = arguments.progress  # worker processes read it, too
    if hasattr(command, "check"):
        command.check(arguments, parser=parser)
    return arguments


def overview(*, family: str = "") -> str:
    """Return the help text of the program, or of one family of commands."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"usage: {PROGRAM} {f'{family} ' if family else ''}COMMAND …", ""]
    if not family:
        lines += ["Pretrain, package and use Chinese BERT models with whole word masking on PaddlePaddle.", ""]
    for group, names in GROUPS.items():
        chosen = [name for name in names if not family or name.split()[0] == family]
        if chosen:
            lines += [f"{group}:", *(f"  {name:{width}}{load(name).SUMMARY}" for name in chosen), ""]
    example = f"{family} {_of_family(family)[0]}" if family else "pretrain"
    lines += [f"`{PROGRAM} COMMAND --help` explains a command with examples. Try `{PROGRAM} {example} --help`."]
    if not family:
        lines += [f"`{PROGRAM} --version` prints the version. `python -m paddle_wwm` is the same program."]
    return "\n".join(lines)


def _of_family(family: str) -> list[str]:
    return [name.removeprefix(f"{family} ") for name in COMMANDS if name.startswith(f"{family} ")]


def _unknown(family: str, words: list[str]) -> str:
    """Return the message for a command that does not exist.

    It has the nearest command with the same arguments.
    """
    word, *rest = words
    known = {name: f"{family} {name}" for name in _of_family(family)} if family else _names()
    near = difflib.get_close_matches(word.replace("_", "-"), known, n=1)
    place = f"{PROGRAM} {family}" if family else PROGRAM
    hint = f"did you mean `{PROGRAM} {' '.join([known[near[0]], *map(shlex.quote, rest)])}`? " if near else ""
    return f"unknown command {word!r}; {hint}`{place} --help` lists the commands."


def _names() -> dict[str, str]:
    """Return the commands by the words that may be meant.

    These are their names, the last words of the names in families, and other usual words.
    """
    last_words = {name.split()[1]: name for name in COMMANDS if " " in name}
    return {**OTHER_WORDS, **last_words, **{name: name for name in (*COMMANDS, *FAMILIES)}}
