"""How a command starts itself again as a worker."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from pathlib import Path
from typing import Sequence

PACKAGE = Path(__file__).absolute().parents[1]


def worker_command(name: str, argv: Sequence[str]) -> list[str]:
    """Return the command line that starts a command again, with the package that runs now.

    Workers inherit the environment: PYTHONPATH leads them to a checkout, which need not be installed. -P keeps the
    working directory, which may hold another paddle_wwm, out of the search.
    """
    root, old = str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages()}
    if root not in installed and root != old.split(os.pathsep)[0]:
        os.environ["PYTHONPATH"] = os.pathsep.join([root, old]) if old else root
    return [sys.executable, "-P", "-m", PACKAGE.name, *name.split(), *argv]
