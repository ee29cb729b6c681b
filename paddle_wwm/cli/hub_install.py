"""Install modules safely: a new module is checked and loaded before it replaces the old one.

Unlike `hub install`, this command keeps the old module until the new one has been loaded. Other processes may load
modules at the same time. A published model can then be loaded by its other names, too:
hub.Module(name="roberta-wwm-ext") gives the module chinese-roberta-wwm-ext. `paddle-wwm hub uninstall NAME` removes the
module and these names.
"""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "install modules; each is checked and loaded before it replaces the old one"
EXAMPLES = """\
examples:
  paddle-wwm hub install dist/chinese-bert-wwm-quickstart-3.2.0.tar"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="FOLDER_OR_ARCHIVE",
        help="a module from `paddle-wwm hub build`; or the name of an installed published model: add its other names",
    )
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
    parser.add_argument(
        "--replace", action="store_true", help="replace an installed module of the same version that has other content"
    )


def run(arguments: argparse.Namespace) -> None:
    """Check and install each module; print where it is."""
    from ..hub.install import install_module

    for source in arguments.sources:
        installed = install_module(source, home=arguments.hub_home, sha256=arguments.sha256, replace=arguments.replace)
        state = "installed" if installed.changed else "was installed already, nothing changed:"
        print(f"{state} {installed.name} {installed.version} in {installed.directory}")
        for note in installed.notes:
            print(f"  note: {note}")
        if installed.other_names:
            print(f"  other names that load it: {', '.join(installed.other_names)}")
        print(f'use it: hub.Module(name="{installed.name}")')
