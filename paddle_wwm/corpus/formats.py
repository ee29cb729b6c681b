"""The formats of corpus files, and a file as a source of text."""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass
from pathlib import Path


class Format(enum.Enum):
    """The format of a file.

    TEXT: lines of text. DOC_TAGS: text with <doc …> and </doc> around every document, as WikiExtractor writes it.
    JSON_LINES: one JSON object or string per line. JSON: one JSON array of them, or objects over several lines.
    CSV, TSV: a table with a header. PARQUET, ARROW: a table. MEDIAWIKI: the XML dump of a wiki.
    """

    TEXT = "text"
    DOC_TAGS = "doc-tags"
    JSON_LINES = "jsonl"
    JSON = "json"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    ARROW = "arrow"
    MEDIAWIKI = "mediawiki"


# ending of a file name: the formats that it can stand for. The content decides; the first one if it says nothing.
ENDINGS = {
    ".txt": (Format.TEXT,),
    ".text": (Format.TEXT,),
    ".jsonl": (Format.JSON_LINES, Format.JSON),
    ".ndjson": (Format.JSON_LINES, Format.JSON),
    ".json": (Format.JSON_LINES, Format.JSON),
    ".csv": (Format.CSV,),
    ".tsv": (Format.TSV,),
    ".parquet": (Format.PARQUET,),
    ".arrow": (Format.ARROW,),
    ".feather": (Format.ARROW,),
    ".xml": (Format.MEDIAWIKI,),
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file, or a part of one large file.

    Attributes:
        compression: "" or a key of `file_kinds.COMPRESSIONS`.
        name: The path below the folder that was searched, or the file name. It can be encoded in UTF-8.
        refusal: Why the file cannot be read, and what to do; "" if it can.
        part: First byte and end of the part in the (compressed) file. None: the whole file.
    """

    path: Path
    format: Format
    compression: str
    name: str
    refusal: str = ""
    part: tuple[int, int] | None = None

    @property
    def kind(self) -> str:
        """The format with the compression, or "refused", for lists."""
        return "refused" if self.refusal else self.format.value + self.compression

    @property
    def file_name(self) -> str:
        """The last part of the path, as text that can be encoded in UTF-8."""
        return text_of_path(Path(self.path.name))

    @property
    def size(self) -> int:
        """The number of bytes of the file or the part."""
        return self.path.stat().st_size if self.part is None else self.part[1] - self.part[0]


def text_of_path(path: Path) -> str:
    """Return a path as text.

    Paths on disk are bytes, and old ones can have another encoding.
    """
    return os.fsencode(path).decode("utf-8", "replace")
