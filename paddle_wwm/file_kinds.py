"""The kinds of files that are not plain text: their first bytes, what they are, and what to do with them.

The readers of corpora and those of tasks refuse such a file with this remedy, so that an archive or a picture is never
read as text.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from .text_encodings import is_utf_8

# usual ending of a compressed file: its first bytes
COMPRESSIONS = {".gz": b"\x1f\x8b", ".bz2": b"BZh", ".xz": b"\xfd7zXZ\0", ".zst": b"\x28\xb5\x2f\xfd"}
LONGEST_HEAD = 512  # bytes of a file that show its kind


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """A kind of file that is not plain text.

    Attributes:
        first_bytes: In lower case if the kind is printable.
        what: What the file is.
        remedy: What to do, with {name} for the name of the file and {stem} for its first part.
        offset: Where the bytes stand.
        is_printable: The bytes are characters that no text begins with. Other bytes count only in a file that is not
            UTF-8: a text may begin with "Rar!".
        is_corpus: The readers of corpora read such files; those of tasks do not.
    """

    first_bytes: bytes
    what: str
    remedy: str
    offset: int = 0
    is_printable: bool = False
    is_corpus: bool = False

    def refusal(self, file_name: str) -> str:
        """Return what the file is and what to do, as the end of a sentence."""
        stem = file_name.split(".")[0] or file_name
        return f"{self.what}; {self.remedy.format(name=file_name, stem=stem)}."


def _others(*rows: tuple[bytes, str, str], is_printable: bool = False, is_corpus: bool = False) -> list[FileKind]:
    return [
        FileKind(first_bytes=start, what=what, remedy=remedy, is_printable=is_printable, is_corpus=is_corpus)
        for start, what, remedy in rows
    ]


_OFFICE = "save it as text or CSV in UTF-8"
_ROWS = "write it as CSV or JSON lines, for example with pandas"
FILE_KINDS = (
    *_others(
        (
            b"PK\x03\x04",
            "a zip archive, or a Word or Excel document",
            "unpack an archive (`unzip {name} -d {stem}`), or save a document as text or CSV in UTF-8",
        ),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it (`7z x {name}`)"),
        (b"Rar!", "a rar archive", "unpack it (`unrar x {name}`)"),
        (b"\xd0\xcf\x11\xe0", "an old Word or Excel document", _OFFICE),
        (b"SQLite format 3", "an SQLite database", "export the text as JSON lines or CSV first"),
        (b"ORC", "an ORC table", _ROWS),
        (b"Obj\x01", "an Avro file", _ROWS),
        (b"\x93NUMPY", "a NumPy array", "write the text as JSON lines first"),
        (b"\x89HDF", "an HDF5 file", "write the text as JSON lines first"),
        (b"\x7fELF", "a program", "leave it out"),
        (b"\x89PNG", "a picture", "leave it out"),
        (b"\xff\xd8\xff", "a picture", "leave it out"),
    ),
    FileKind(
        first_bytes=b"ustar",
        offset=257,
        what="a tar archive",
        remedy="unpack it (`mkdir {stem} && tar -xf {name} -C {stem}`)",
    ),
    *_others(
        (b"%pdf-", "a PDF file", "extract the text first (`pdftotext {name}`)"),
        (b"{\\rtf1", "an RTF document", _OFFICE),
        is_printable=True,
    ),
    *_others(
        (COMPRESSIONS[".gz"], "compressed with gzip", "extract it (`gunzip {name}`)"),
        (COMPRESSIONS[".bz2"], "compressed with bzip2", "extract it (`bunzip2 {name}`)"),
        (COMPRESSIONS[".xz"], "compressed with xz", "extract it (`unxz {name}`)"),
        (COMPRESSIONS[".zst"], "compressed with zstd", "extract it (`unzstd {name}`)"),
        (b"PAR1", "a Parquet file", _ROWS),
        (b"ARROW1", "an Arrow file", _ROWS),
        is_corpus=True,
    ),
    *_others(
        *(
            (start, "HTML or XML", "save its texts as CSV or JSON lines")
            for start in (b"<html", b"<!doctype", b"<?xml")
        ),
        is_printable=True,
        is_corpus=True,  # the dump of a wiki is XML; the readers of corpora look closer
    ),
)


def kind_of(head: bytes) -> FileKind | None:
    """Return the kind of the file that begins with these bytes, or None for text.

    Args:
        head: At least LONGEST_HEAD bytes, unless the file is shorter.
    """
    is_plain = is_utf_8(head) and b"\0" not in head
    text = head[:LONGEST_HEAD].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for kind in FILE_KINDS:
        data = text if kind.is_printable else head
        if (kind.is_printable or not is_plain) and data.startswith(kind.first_bytes, kind.offset):
            return kind
    return None
