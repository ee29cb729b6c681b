"""Read JSON lines: one object or string per line."""

from __future__ import annotations

import json
from typing import Iterator

from .fields import NoTextError, text_of_record
from .intake import Intake, RawDocument


def read_json_lines(intake: Intake) -> Iterator[RawDocument]:
    """Yield the text of every line as a document."""
    for number, raw in intake.records():
        place = intake.place(f", line {number}")
        try:
            text = text_of_record(json.loads(raw.decode("utf-8")), keys=intake.form.text_keys)
        except UnicodeDecodeError as error:
            intake.not_decodable(place, raw, byte=error.start)
        except NoTextError as error:
            intake.bad_record(place, shown_of(raw), str(error))
        except (ValueError, RecursionError) as error:
            message = f"not valid JSON ({error}); every line must be one object."
            intake.bad_record(place, shown_of(raw), message)
        else:
            yield from intake.record(number, text)


def shown_of(raw: bytes) -> str:
    """Return the beginning of a record, for messages."""
    return raw[:400].decode("utf-8", "replace")
