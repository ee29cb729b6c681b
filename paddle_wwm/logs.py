"""Print the library's log messages for the commands. The library itself only logs, to the logger "paddle_wwm"."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from typing import TextIO

ROOT_LOGGER = "paddle_wwm"


class ConsoleHandler(logging.Handler):
    """Handler that writes INFO to stdout, and warnings and errors to stderr.

    While a progress bar is open, lines appear above the bar. A closed pipe raises BrokenPipeError, as with `print`, so
    that a command can exit with the right status.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record and flush it."""
        text = self.format(record)
        if record.levelno == logging.WARNING:
            text = f"warning: {text}"
        _write_above_bars(sys.stdout if record.levelno < logging.WARNING else sys.stderr, f"{text}\n")


def _write_above_bars(stream: TextIO, text: str) -> None:
    tqdm = sys.modules.get("tqdm")
    with tqdm.tqdm.external_write_mode(file=stream) if tqdm else contextlib.nullcontext():
        stream.write(text)
        stream.flush()


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a Python warning as `warnings` does, but above an open bar."""
    if sys.stderr is not None:
        _write_above_bars(file or sys.stderr, warnings.formatwarning(message, category, filename, lineno, line))


def show_messages() -> None:
    """Show the library's messages from level INFO on the console.

    Calling it twice is safe.
    """
    root = logging.getLogger(ROOT_LOGGER)
    if not any(isinstance(handler, ConsoleHandler) for handler in root.handlers):
        root.addHandler(ConsoleHandler())
    warnings.showwarning = _show_warning
    root.setLevel(logging.INFO)
    root.propagate = False  # other packages configure the root logger, which would show each line twice
