"""Encodings of text files: check a name, guess an encoding from bytes, and read any encoding as UTF-8."""

from __future__ import annotations

import codecs
import io
from typing import BinaryIO, Sequence

from .errors import require

UTF_8 = "utf-8"
# the encodings of Chinese text in the field: name for Python -> what people call it
CANDIDATES = {
    "utf_8": "UTF-8",
    "gb18030": "GB18030 (also called GBK or GB2312)",
    "big5": "Big5",
    "utf_16_le": "UTF-16",
    "utf_16_be": "UTF-16, big end first",
}
_OF_A_LINE = ("gb18030", "big5")  # of one line between lines of UTF-8: line feeds of UTF-16 have two bytes
# the mark of UTF-32 begins with that of UTF-16
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, UTF_8),
)
_INVALID = "\udcff"  # becomes the byte 0xFF, which UTF-8 never has
_BLOCK_BYTES = 1 << 18


def checked_encoding(name: str) -> str:
    """Return the normal name of a text encoding.

    Raises:
        ValueError: Python does not know the encoding, or it is not an encoding of text.
    """
    try:
        codec = codecs.lookup(name)
    except LookupError:
        codec = None
    known = codec is not None and codec._is_text_encoding and codec.incrementaldecoder is not None
    require(known, f"`encoding` must be one that Python knows, such as gb18030, big5 or utf-16, but is {name!r}.")
    assert codec is not None
    return UTF_8 if codec.name in ("utf-8", "utf-8-sig") else codec.name


def encoding_of_mark(data: bytes) -> str | None:
    """Return the encoding that the byte order mark names, or None without one."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), None)


def likely_encoding(data: bytes, *, candidates: Sequence[str] = tuple(CANDIDATES)) -> str | None:
    """Return the encoding that text most likely has, or None if no encoding fits.

    Args:
        data: The beginning of a file; the last character may be cut.
        candidates: Keys of CANDIDATES.
    """
    if found := encoding_of_mark(data):
        return found
    if is_utf_8(data):
        # UTF-16 of ASCII text is valid UTF-8, with a zero in every second byte
        share = data.count(b"\0") / max(1, len(data))
        if share > 0.3:
            return "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
        return UTF_8 if share < 0.01 else None
    from charset_normalizer import from_bytes

    even = data[: len(data) // 2 * 2]
    for sample in (even, even[:-2]):  # a character may be cut at the end
        best = from_bytes(sample, cp_isolation=list(candidates)).best()
        if best is not None:
            return best.encoding.replace("_", "-")
    return None


def is_utf_8(data: bytes) -> bool:
    """Return True if the data are UTF-8; the last character may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return True


def advice(data: bytes, *, line: bytes, file_name: str | None = None) -> str:
    """Return what to do about a line that is not UTF-8, as the end of a sentence.

    Args:
        data: The beginning of the file.
        line: The line.
        file_name: The file, for a command that converts it. None: the user can add --encoding.
    """
    if data.decode(UTF_8, "replace").count("\ufffd") * 10 < len(data.decode(UTF_8, "ignore")):
        found = likely_encoding(line, candidates=_OF_A_LINE)
        looks = f"this line looks like {name_of(found)}" if found not in (None, UTF_8) else "these bytes are damaged"
        return f"most of the file is UTF-8, but {looks}: convert or remove it"
    found = likely_encoding(data)
    if found is None:
        remedy = "add --encoding NAME" if file_name is None else "convert the file to UTF-8"
        return f"no encoding of Chinese text fits either; if you know it, {remedy}"
    remedy = f"add --encoding {found}" if file_name is None else f"convert it: {conversion(data, file_name=file_name)}"
    return f"it looks like {name_of(found)}: {remedy}"


def conversion(data: bytes, *, file_name: str) -> str:
    """Return a command that converts a file to UTF-8.

    If no encoding fits, it names GB18030.
    """
    found = likely_encoding(data)
    encoding = "gb18030" if found in (None, UTF_8) else str(found)
    return f"iconv -f {encoding.upper().replace('UTF-16-', 'UTF-16')} -t UTF-8 {file_name}"


def name_of(encoding: str) -> str:
    """Return what people call an encoding."""
    return CANDIDATES.get(encoding.replace("-", "_"), encoding.upper())


def as_utf_8(stream: BinaryIO, *, encoding: str) -> BinaryIO:
    """Return the stream as UTF-8.

    Bytes that are invalid in `encoding` become a byte that is invalid in UTF-8, so the reader finds them in their line.
    """
    return stream if encoding == UTF_8 else io.BufferedReader(_Utf8Stream(stream, encoding=encoding), _BLOCK_BYTES)


def to_utf_8(data: bytes, *, encoding: str) -> bytes:
    """Return the beginning of a file as UTF-8, without a cut last character."""
    if encoding == UTF_8:
        return data
    decoder = codecs.getincrementaldecoder(encoding)(errors=_HANDLER)
    return decoder.decode(data).encode(UTF_8, "surrogateescape")


def _mark_invalid(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return _INVALID, error.end


_HANDLER = "paddle_wwm.invalid"
codecs.register_error(_HANDLER, _mark_invalid)


class _Utf8Stream(io.RawIOBase):
    """A stream of another encoding, converted while it is read."""

    def __init__(self, stream: BinaryIO, *, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(errors=_HANDLER)
        self._ready = b""
        self._is_at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        while not self._ready and not self._is_at_end:
            block = self._stream.read(_BLOCK_BYTES)
            self._is_at_end = not block
            text = self._decoder.decode(block, final=self._is_at_end)
            # a lone surrogate that an encoding lets through stays invalid
            self._ready = text.encode(UTF_8, "surrogateescape" if _INVALID in text else "surrogatepass")
        number = min(len(buffer), len(self._ready))
        buffer[:number] = self._ready[:number]
        self._ready = self._ready[number:]
        return number

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
