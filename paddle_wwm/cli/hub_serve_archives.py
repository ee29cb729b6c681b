"""Serve module archives in a private network, for PaddleHub's own commands.

On a client:
  hub config server==http://127.0.0.1:8867
  hub search rbt
  hub install rbt3==3.2.0

DIST is the output folder of `paddle-wwm hub build`: NAME-VERSION.tar with NAME-VERSION.tar.sha256 next to it. Archives
without the right checksum are not served. New archives are served without a restart. Modules are Python code: put only
your own modules into the folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .flags import add_server_flags

SUMMARY = "serve module archives to `hub install` in a private network"
EXAMPLES = """\
examples:
  # On this machine only
  paddle-wwm hub serve-archives dist
  # In a network that you trust
  paddle-wwm hub serve-archives dist --host 192.0.2.10"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument("folder", type=Path, metavar="DIST", help="the folder of the archives")
    add_server_flags(parser, port=8867)
    parser.add_argument(
        "--public-url",
        metavar="URL",
        help="the address that clients use, behind a proxy or another name (default: where their connections arrive)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Serve until Ctrl-C."""
    from ..hub.archive_server import serve_archives

    serve_archives(arguments.folder, host=arguments.host, port=arguments.port, public_url=arguments.public_url)
