"""Look at the first bytes of a file: its compression and format, or why it is not text.

The content decides, not the name, so that an archive or a web page is never trained on as text.
"""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..file_kinds import COMPRESSIONS, kind_of
from ..text_encodings import UTF_8, encoding_of_mark, is_utf_8, likely_encoding, name_of, to_utf_8
from .compressed import READ_ERRORS, compression_of, uncompressed
from .formats import ENDINGS, Format

HEAD_BYTES = 1 << 14
_TAIL_BYTES = 1 << 10
_FEW_BYTES = 64  # too few to distinguish binary data and text with a zero
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_HTML = re.compile(rb"<(!doctype html|(html|head|body|div|p|table|script|style|meta|title|span|article|section)[\s>])")
_TAG = re.compile(rb"<([A-Za-z][\w.:-]*)(?:\s[^<>]*)?>")
_JSON_OBJECT = re.compile(rb'\{\s*("[^"\n]*"\s*:|\})')
_BINARY_FORMATS = {b"PAR1": Format.PARQUET, b"ARROW1": Format.ARROW}
_ARROW_STREAM = b"\xff\xff\xff\xff"  # the mark of a message, before its length


@dataclass(frozen=True, kw_only=True)
class Content:
    """What the first bytes of a file show.

    Attributes:
        compression: "" or a key of `file_kinds.COMPRESSIONS`.
        format: None: plain text, or anything that only the name can show, such as CSV.
        refusal: Why the file cannot be read, and the remedy; "" if it can.
        is_markup: True if the refusal is about markup, which a caller may read as text.
        is_damaged: True if the compressed data cannot be read.
    """

    compression: str = ""
    format: Format | None = None
    refusal: str = ""
    is_markup: bool = False
    is_damaged: bool = False


def content_of(path: Path, *, encoding: str = UTF_8) -> Content:
    """Return what the first bytes of a file show.

    Args:
        path: The file.
        encoding: The encoding of its text.
    """
    with open(path, "rb") as raw:
        head = raw.read(HEAD_BYTES)
        compression = compression_of(head)
        if not compression and path.suffix.lower() in COMPRESSIONS and (not is_utf_8(head) or _CONTROLS.search(head)):
            compression = path.suffix.lower()  # damaged: reading reports it
        tail = b"" if compression or len(head) < HEAD_BYTES else _tail_of(raw)
        if compression:
            raw.seek(0)
            try:
                head = _head_of(raw, compression=compression)
            except READ_ERRORS:
                return Content(compression=compression, is_damaged=True)  # reading reports the damage
    is_plain = is_utf_8(head) and b"\0" not in head
    table = next((format for magic, format in _BINARY_FORMATS.items() if head.startswith(magic)), None)
    if not is_plain and (table is not None or (head.startswith(_ARROW_STREAM) and head[6:8] == b"\0\0")):
        return Content(compression=compression, format=table or Format.ARROW)
    refusal = _refusal_of_bytes(head, path=path, encoding=encoding, is_plain=is_plain)
    if refusal:
        return Content(compression=compression, refusal=refusal)
    text = to_utf_8(head, encoding=encoding).removeprefix(b"\xef\xbb\xbf").lstrip()
    format, refusal = _text_format(text, tail=tail, is_whole=len(head) < HEAD_BYTES)
    return Content(compression=compression, format=format, refusal=refusal, is_markup=bool(refusal))


def _tail_of(raw: io.BufferedReader) -> bytes:
    raw.seek(-_TAIL_BYTES, os.SEEK_END)
    return raw.read()


def _head_of(raw: io.BufferedReader, *, compression: str) -> bytes:
    stream = uncompressed(raw, compression=compression)
    head = b""
    while len(head) < HEAD_BYTES and (block := stream.read(HEAD_BYTES - len(head))):
        head += block
    return head


def _refusal_of_bytes(head: bytes, *, path: Path, encoding: str, is_plain: bool) -> str:
    """Return why bytes are not text of this encoding, or ""."""
    kind = kind_of(head)
    if kind is not None and not kind.is_corpus:
        return kind.refusal(path.name)
    mark = encoding_of_mark(head)
    if mark is not None and mark != encoding and not encoding.replace("_", "-").startswith(mark):
        if encoding == UTF_8:
            return f"UTF-16 or UTF-32, not UTF-8; add --encoding {mark}."
        return (
            f"begins with the mark of {mark.upper()}, but --encoding is {encoding}; leave --encoding out for this file."
        )
    if encoding in ("utf-16", "utf-32") and mark is None and head:
        return (
            f"text without a byte order mark, which --encoding {encoding} needs; add --encoding {encoding}-le or -be."
        )
    if encoding != UTF_8:
        is_other = is_plain and not head.isascii()
        return f"UTF-8, but --encoding is {encoding}; leave --encoding out for this file." if is_other else ""
    if mark is None and b"\0" in head:
        found = likely_encoding(head)
        if found is not None and found.startswith("utf-16"):
            return f"{name_of(found)} without a byte order mark; add --encoding {found}."
        if found is None and len(head) > _FEW_BYTES:
            return "binary data, not text; give a text file, or leave this one out."
    return ""


def _text_format(text: bytes, *, tail: bytes, is_whole: bool) -> tuple[Format | None, str]:
    """Return the format of text and "", or why it is refused.

    `tail` is the end of the file if it is known.
    """
    lowered = text[:1024].lower()
    if lowered.startswith(b"<doc ") or lowered.startswith(b"<doc>"):
        return Format.DOC_TAGS, ""
    if lowered.startswith(b"<mediawiki") or (lowered.startswith((b"<?xml", b"<!--")) and b"<mediawiki" in lowered):
        return Format.MEDIAWIKI, ""
    if _HTML.match(lowered) or (lowered.startswith((b"<?xml", b"<!--")) and b"<html" in lowered):
        return None, "an HTML page; extract its text first, for example with trafilatura."
    tag = _TAG.match(text)
    if lowered.startswith((b"<?xml", b"<!doctype")) or (tag and b"</" + tag[1] + b">" in text + tail):
        return None, "XML, but not the dump of a MediaWiki; extract its text first."
    return _json_format(text, is_whole=is_whole), ""


def _json_format(text: bytes, *, is_whole: bool) -> Format | None:
    """Return JSON_LINES or JSON if the text is that, else None.

    Text such as 「[图片] 今天…」 is not JSON.
    """
    line, line_feed, rest = text.partition(b"\n")
    is_complete = bool(line_feed) or is_whole
    if _JSON_OBJECT.match(text):
        if not is_complete:
            return Format.JSON_LINES  # the first line is long
        return Format.JSON_LINES if _is_json(line) else Format.JSON if not _ends_object(line) else None
    if not re.match(rb'\[\s*(\{\s*["}]|")|\[\s*\]\s*$', text):
        return None
    if is_complete and _is_json(line):
        return Format.JSON if not rest.strip() else None
    try:  # the first element must be complete, or an open object
        cut = text.decode("utf-8", "ignore")
        start = cut.index("{") if cut[1:].lstrip().startswith("{") else cut.index('"')
        end = json.JSONDecoder().raw_decode(cut, start)[1]
    except (ValueError, RecursionError):
        return Format.JSON if not is_whole and text[1:].lstrip().startswith(b"{") else None
    after = cut[end:].lstrip()
    return Format.JSON if after[:1] in (",", "") or after.rstrip() == "]" else None


def _ends_object(line: bytes) -> bool:
    """Return True if a line that is not valid JSON ends like a whole object."""
    return line.rstrip().endswith(b"}")


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def formats_of_name(name: str) -> tuple[Format, ...]:
    """Return the formats that the ending of a name can stand for."""
    stem, ending = os.path.splitext(name)
    if ending.lower() in COMPRESSIONS:
        ending = os.path.splitext(stem)[1]
    return ENDINGS.get(ending.lower(), ())
