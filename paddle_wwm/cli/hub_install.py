"""Install modules safely: they are checked and loaded before they replace what is installed.

Unlike `hub install`, it keeps what is installed until the new module has loaded, and may run while others load.
"""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "install modules: checked and loaded before they replace others"
EXAMPLES = """\
examples:
  paddle-wwm hub install dist/chinese-bert-wwm-quickstart-1.0.0.tar"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the description, the examples and the flags."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument(
        "sources", nargs="+", metavar="FOLDER_OR_ARCHIVE", help="a module, as `paddle-wwm hub build` makes it"
    )
    parser.add_argument(
        "--hub-home",
        type=Path,
        metavar="DIR",
        help="PaddleHub's home (default: HUB_HOME, otherwise .paddlehub in the home folder)",
    )
    parser.add_argument(
        "--sha256",
        metavar="HEX",
        help="the archive's checksum (default: the one in the .sha256 file next to it, if it exists)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Install each module and print where it is."""
    from ..hub.install import install_module

    for source in arguments.sources:
        installed = install_module(source, home=arguments.hub_home, sha256=arguments.sha256)
        state = "installed" if installed.changed else "was installed already, nothing changed:"
        print(f"{state} {installed.name} {installed.version} in {installed.directory}")
        for note in installed.notes:
            print(f"  note: {note}")
        print(f'use it: hub.Module(name="{installed.name}")')
