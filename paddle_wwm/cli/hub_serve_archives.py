"""Offer hub modules inside a private network, to PaddleHub's own commands.

On a client:
  hub config server==http://127.0.0.1:8867
  hub search rbt
  hub install rbt3==1.0.0

DIST is what `paddle-wwm hub build` wrote: NAME-VERSION.tar with NAME-VERSION.tar.sha256 next to it. Archives without
the right checksum are not offered. New ones are, without a restart. Modules are Python code: put only your own into the
folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .flags import add_server_flags

SUMMARY = "offer built modules to `hub install` in a private network"
EXAMPLES = """\
examples:
  # To this machine only
  paddle-wwm hub serve-archives dist
  # To a network that you trust
  paddle-wwm hub serve-archives dist --host 192.0.2.10"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the description, the examples and the flags."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument("folder", type=Path, metavar="DIST", help="the folder of the archives")
    add_server_flags(parser, port=8867)


def run(arguments: argparse.Namespace) -> None:
    """Serve until Ctrl-C."""
    from ..hub.archive_server import serve_archives

    serve_archives(arguments.folder, host=arguments.host, port=arguments.port)
