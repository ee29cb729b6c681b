#!/usr/bin/env python
"""Offer hub modules inside a private network, to PaddleHub's own commands.

  python scripts/serve_hub_modules.py dist                       to this machine only
  python scripts/serve_hub_modules.py dist --host 192.0.2.10     to a network that you trust

On a client:
  hub config server==http://127.0.0.1:8867
  hub search rbt
  hub install rbt3==1.0.0

DIST is what scripts/build_hub_modules.py wrote: NAME-VERSION.tar with NAME-VERSION.tar.sha256 beside it. Archives without the right checksum are
not offered. New ones are, without a restart. Modules are Python code: put only your own into the folder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from paddle_wwm.errors import run_script  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIST", help="the folder of the archives")
    parser.add_argument("--host", default="127.0.0.1", help="the address to bind to (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8867, help="0: any free one (default: %(default)s)")
    arguments = parser.parse_args()
    from paddle_wwm.hub.archive_server import serve_archives

    serve_archives(arguments.folder, host=arguments.host, port=arguments.port)


if __name__ == "__main__":
    run_script(main)
