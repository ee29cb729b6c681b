"""Remove installed modules, each with the redirecting modules of its other names.

PaddleHub's own `hub uninstall NAME` removes one folder only, so the other names of a module would lead nowhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "remove installed modules and their other names"
EXAMPLES = """\
examples:
  paddle-wwm hub uninstall chinese-roberta-wwm-ext"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument("names", nargs="+", metavar="NAME", help="the module's name, for hub.Module(name=…)")
    parser.add_argument(
        "--hub-home",
        type=Path,
        metavar="DIR",
        help="PaddleHub's home (default: HUB_HOME, or .paddlehub in your home folder)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Remove each module; print the removed folders."""
    from ..hub.uninstall import uninstall_module

    for name in arguments.names:
        uninstalled = uninstall_module(name, home=arguments.hub_home)
        for folder in uninstalled.removed:
            print(f"removed {folder}")
        for note in uninstalled.notes:
            print(f"  note: {note}")
