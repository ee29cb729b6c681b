"""Read lines of text: what one document is, is a choice."""

from __future__ import annotations

from typing import Iterator

from .intake import Gathering, Intake, RawDocument
from .options import DocumentUnit


def read_text(intake: Intake) -> Iterator[RawDocument]:
    """Yield the documents of a text file. Blank lines belong to none."""
    name, unit = intake.source.name, intake.form.document
    gathered = Gathering(report=intake.report)
    line_with_text = 0
    for number, line, is_last in intake.lines():
        if line.strip():
            yield from gathered.add(line, doc_id=f"{name}:{number}")
            line_with_text = number
        else:
            intake.report.characters["white_space"] += len(line)
        is_blank_line = is_last and line_with_text != number
        if (unit is DocumentUnit.LINE and is_last) or (unit is DocumentUnit.BLANK_LINE and is_blank_line):
            yield from gathered.end()
    yield from gathered.end()
