#!/usr/bin/env python
"""Run `paddle-wwm export-examples` from a checkout, without installing it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from paddle_wwm.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main(["export-examples", *sys.argv[1:]])
