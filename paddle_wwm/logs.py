"""Show what the library logs, as a command does. The library itself only logs, under the logger "paddle_wwm"."""

from __future__ import annotations

import contextlib
import logging
import sys

ROOT_LOGGER = "paddle_wwm"


class ConsoleHandler(logging.Handler):
    """Write messages for a person: INFO to standard output, warnings and errors to standard error.

    A line that is written while a progress bar is open goes above the bar. A closed pipe raises BrokenPipeError, as
    print does, so that a command can end with the right exit status.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record and flush it."""
        text = self.format(record)
        if record.levelno == logging.WARNING:
            text = f"warning: {text}"
        stream = sys.stdout if record.levelno < logging.WARNING else sys.stderr
        tqdm = sys.modules.get("tqdm")
        with tqdm.tqdm.external_write_mode(file=stream) if tqdm else contextlib.nullcontext():
            stream.write(f"{text}\n")
            stream.flush()


def show_messages() -> None:
    """Show the library's messages from INFO upwards on the console. A second call changes nothing."""
    root = logging.getLogger(ROOT_LOGGER)
    if not any(isinstance(handler, ConsoleHandler) for handler in root.handlers):
        root.addHandler(ConsoleHandler())
    root.setLevel(logging.INFO)
    root.propagate = False  # other packages configure the root logger; each line is shown once
