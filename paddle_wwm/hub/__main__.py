"""Hub modules from a shell.

python -m paddle_wwm.hub install dist/chinese-bert-wwm-quickstart-1.0.0.tar
python -m paddle_wwm.hub serve chinese-bert-wwm-quickstart --task fill-mask
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import run_script
from . import serve


def _install(arguments: argparse.Namespace) -> None:
    from .install import install_module

    for source in arguments.sources:
        installed = install_module(source, home=arguments.hub_home, sha256=arguments.sha256)
        state = "installed" if installed.changed else "was installed already, nothing changed:"
        print(f"{state} {installed.name} {installed.version} in {installed.directory}")
        for note in installed.notes:
            print(f"  note: {note}")
        print(f'use it: hub.Module(name="{installed.name}")')


def _add_install(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "install",
        help="install modules safely: checked and loaded before they replace what is there",
        description=(
            "Install modules. Unlike `hub install`, it keeps what is installed until the new one has loaded, "
            "and may run while others load."
        ),
    )
    parser.add_argument(
        "sources", nargs="+", metavar="FOLDER_OR_ARCHIVE", help="a module, as scripts/build_hub_modules.py makes it"
    )
    parser.add_argument(
        "--hub-home",
        type=Path,
        metavar="DIR",
        help="PaddleHub's home (default: HUB_HOME, else .paddlehub in the home folder)",
    )
    parser.add_argument(
        "--sha256", help="the archive's checksum (default: the one in the .sha256 file beside it, where there is one)"
    )
    parser.set_defaults(run=_install)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m paddle_wwm.hub", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_install(commands)
    serve.add_command(commands)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    run_script(main)
