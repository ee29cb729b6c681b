from __future__ import annotations

import logging

import pytest

from paddle_wwm.logs import ROOT_LOGGER


@pytest.fixture(autouse=True)
def untouched_logger():
    """Commands that run in this process show messages; later tests get the logger as it was."""
    root = logging.getLogger(ROOT_LOGGER)
    before = list(root.handlers), root.level, root.propagate
    yield
    root.handlers[:], root.level, root.propagate = before
