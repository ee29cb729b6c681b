"""Read rows with long fields: Python limits the fields of CSV to 131,072 characters, with one limit per process."""

from __future__ import annotations

import csv
import threading
from typing import Iterator

_LOCK = threading.RLock()  # for the limit, which all readers of a process share


def next_row(rows: Iterator[list[str]], *, max_field_chars: int) -> list[str] | None:
    """Return the next row of a `csv.reader`, or None at the end.

    The limit of the process is raised only during the call. So it is as before while a generator of rows waits, and
    after an error.

    Raises:
        csv.Error: The row is not CSV, or a field is longer than `max_field_chars`.
    """
    with _LOCK:
        before = csv.field_size_limit(max_field_chars)
        try:
            return next(rows, None)
        finally:
            csv.field_size_limit(before)
