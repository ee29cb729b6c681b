"""Read text in which <doc …> and </doc> stand on lines of their own around every document.

WikiExtractor writes this form. It writes & < > as &amp; &lt; &gt;, and the title as the first line. Other corpora, such
as Sogou's news, have a field on every line: <url>…</url>, <contenttitle>…</contenttitle>, <content>…</content>. Then
--text-key names the fields with the text. A field that is repeated has several paragraphs.
Source: https://github.com/attardi/wikiextractor
"""

from __future__ import annotations

import html
import re
from typing import Iterator

from .fields import NoTextError, text_of_record
from .intake import Gathering, Intake, RawDocument

_BEGIN = re.compile(r"\s*<doc(\s[^<>]*)?>\s*")
_FIELD = re.compile(r"\s*<(?P<name>[A-Za-z][\w.-]*)>(?P<text>.*)</(?P=name)>\s*")
_END = re.compile(r"\s*</doc>\s*")


def read_doc_tags(intake: Intake) -> Iterator[RawDocument]:
    """Yield the documents between the tags. Text outside of them is bad input."""
    report, name = intake.report, intake.source.name
    gathered = Gathering(report=report)
    begin = number = 0  # the line of <doc> of the open document; 0: none is open
    fields: dict[str, list[str]] = {}  # a field may be repeated, once for each of its paragraphs
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
            yield from _record(intake, fields, begin=begin)
            begin, fields = number if is_begin else 0, {}
        elif begin and not gathered.lines and (field := _FIELD.fullmatch(line)):
            fields.setdefault(field["name"], []).append(html.unescape(field["text"]))
            report.characters["read"] -= len(line)  # the text is counted with its record
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
    yield from _record(intake, fields, begin=begin)
    if begin:
        _not_closed(intake, "", begin=begin)


def _record(intake: Intake, fields: dict[str, list[str]], *, begin: int) -> Iterator[RawDocument]:
    """Yield the text of a document that consists of fields."""
    if not fields:
        return
    try:
        text = text_of_record(fields, keys=intake.form.text_keys)
    except NoTextError as error:
        intake.bad_record(intake.place(f", line {begin}"), str(fields)[:400], str(error))
    else:
        yield from intake.record(begin, text)


def _not_closed(intake: Intake, line: str, *, begin: int) -> None:
    intake.bad_record(
        intake.place(f", line {begin}"), line, "the document is not closed with </doc>; is the file cut short?"
    )
