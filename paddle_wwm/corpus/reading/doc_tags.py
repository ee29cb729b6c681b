"""Read text in which <doc …> and </doc> stand on lines of their own around every document.

WikiExtractor writes this form. It writes & < > as &amp; &lt; &gt;, and the title as the first line.
Source: https://github.com/attardi/wikiextractor
"""

from __future__ import annotations

import html
import re
from typing import Iterator

from .intake import Gathering, Intake, RawDocument

_BEGIN = re.compile(r"\s*<doc(\s[^<>]*)?>\s*")
_END = re.compile(r"\s*</doc>\s*")


def read_doc_tags(intake: Intake) -> Iterator[RawDocument]:
    """Yield the documents between the tags. Text outside of them is bad input."""
    report, name = intake.report, intake.source.name
    gathered = Gathering(report=report)
    begin = number = 0  # the line of <doc> of the open document; 0: none is open
    for number, line, _ in intake.lines():
        place = intake.place(f", line {number}")
        is_begin, is_end = _BEGIN.fullmatch(line), _END.fullmatch(line)
        if is_begin or is_end:
            report.characters["markup"] += len(line)
            if is_begin and begin:
                _not_closed(intake, line, begin=begin)
            if is_end and not begin:
                intake.bad_record(place, line, "closes a document that was not opened with <doc>.")
            yield from gathered.end()
            begin = number if is_begin else 0
        elif not line.strip():
            report.characters["white_space"] += len(line)
        elif begin:
            text = html.unescape(line) if "&" in line else line
            report.characters["markup"] += len(line) - len(text)
            yield from gathered.add(text, doc_id=f"{name}:{begin}")
        else:
            report.characters["bad_records"] += len(line)
            intake.bad_record(
                place, line, "is text outside of <doc> and </doc>; with --format text, all lines are read."
            )
    yield from gathered.end()
    if begin:
        _not_closed(intake, "", begin=begin)


def _not_closed(intake: Intake, line: str, *, begin: int) -> None:
    intake.bad_record(
        intake.place(f", line {begin}"), line, "the document is not closed with </doc>; is the file cut short?"
    )
