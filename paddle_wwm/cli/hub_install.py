"""Install modules safely: a new module is checked and loaded before it replaces the old one.

Unlike `hub install`, this command keeps the old module until the new one has been loaded. Other processes may load
modules at the same time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "install modules; each is checked and loaded before it replaces the old one"
EXAMPLES = """\
examples:
  paddle-wwm hub install dist/chinese-bert-wwm-quickstart-1.0.0.tar"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument("sources", nargs="+", metavar="FOLDER_OR_ARCHIVE", help="a module from `paddle-wwm hub build`")
    parser.add_argument(
        "--hub-home",
        type=Path,
        metavar="DIR",
        help="PaddleHub's home (default: HUB_HOME, or .paddlehub in your home folder)",
    )
    parser.add_argument(
        "--sha256",
        metavar="HEX",
        help="expected checksum of the archive (default: the one in the .sha256 file next to it, if there is one)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Check and install each module; print where it is."""
    from ..hub.install import install_module

    for source in arguments.sources:
        installed = install_module(source, home=arguments.hub_home, sha256=arguments.sha256)
        state = "installed" if installed.changed else "was installed already, nothing changed:"
        print(f"{state} {installed.name} {installed.version} in {installed.directory}")
        for note in installed.notes:
            print(f"  note: {note}")
        print(f'use it: hub.Module(name="{installed.name}")')
