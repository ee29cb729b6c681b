#!/usr/bin/env python
"""Run `python -m experiments.evidence` from any folder; kept for old commands."""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
runpy.run_module("experiments.evidence", run_name="__main__", alter_sys=True)
