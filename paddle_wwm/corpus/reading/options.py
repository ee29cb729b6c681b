"""How the text lies in the files of a corpus, and what happens on bad input."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from ...errors import require
from ...text_encodings import UTF_8, checked_encoding
from ..formats import Format
from .wiki_variants import VARIANTS

MAX_RECORD_BYTES = 64 << 20

# name of the kind of bad input: what it counts
BAD_INPUT = {
    "empty_files": "files",
    "broken_files": "files, read up to the damaged part",
    "not_text": "files that are archives, web pages or other data",
    "invalid_utf8": "lines or records that are invalid in UTF-8, or in --encoding",
    "endless_lines": f"records of more than {MAX_RECORD_BYTES >> 20} MB",
    "bad_records": "records without the key or without text",
}
# name of what a format leaves out by its nature: what it counts
LEFT_OUT = {
    "redirects": "pages",
    "other_namespaces": "pages",
    "other_models": "pages that are not wikitext",
    "old_revisions": "revisions",
    "markup": "pages with markup",
}


class OnError(enum.Enum):
    """The reaction to bad input: raise an error, or skip it and count it."""

    FAIL = "fail"
    SKIP = "skip"


class DocumentUnit(enum.Enum):
    """What one document is in a text file.

    BLANK_LINE: the lines between blank lines. LINE: every line. FILE: the whole file.
    """

    BLANK_LINE = "blank-line"
    LINE = "line"
    FILE = "file"


@dataclass(frozen=True, kw_only=True)
class TextForm:
    """How the text lies in the files of a corpus.

    Attributes:
        format: The format of all files. None: the content and the name of each file decide.
        text_keys: The fields of records, or the columns of tables, that hold the text. Several are joined, each as
            lines of its own. "a.b" is the field b of the field a. A number is a column of CSV without a header, from 0.
        document: What one document is in text files.
        encoding: The encoding of text, JSON, CSV and XML.
        variant: The variant of Chinese that language-conversion markup of a wiki is resolved to.
    """

    format: Format | None = None
    text_keys: tuple[str, ...] = ("text",)
    document: DocumentUnit = DocumentUnit.BLANK_LINE
    encoding: str = UTF_8
    variant: str = "zh-cn"

    def __post_init__(self) -> None:
        require(len(self.text_keys) > 0 and all(self.text_keys), "`text_keys` must name at least one field.")
        repeated = sorted({key for key in self.text_keys if self.text_keys.count(key) > 1})
        require(not repeated, f"`text_keys` must be different, but {', '.join(repeated)} is given twice.")
        require(self.variant in VARIANTS, f"`variant` must be one of {', '.join(VARIANTS)}, but is {self.variant!r}.")
        object.__setattr__(self, "encoding", checked_encoding(self.encoding))

    def to_fingerprint(self) -> dict[str, Any]:
        """Return what the content of the shards depends on.

        Defaults of later versions are left out. The format is left out: it is part of each source.
        """
        value: dict[str, Any] = {"text_key": self.text_keys[0] if len(self.text_keys) == 1 else list(self.text_keys)}
        if self.document is not TextForm.document:
            value["document"] = self.document.value
        for name in ("encoding", "variant"):
            if getattr(self, name) != getattr(TextForm, name):
                value[name] = getattr(self, name)
        return value
