"""Clean raw documents by named rules, each of which can be switched on or off.

The report counts every rule, with the number of characters that it removed and a few samples. This file applies the
rules for lines and for single documents. The two rules for duplicates need the whole corpus; they are in
`paddle_wwm/shards/preparation/duplicates.py`.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Callable

from ..errors import ConfigError, require
from .counts import CorpusReport
from .reading.intake import RawDocument
from .sentences import SentenceRule


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule as `--help` and the report show it. `unit`: lines or documents."""

    on: bool
    unit: str
    what: str


RULES = {
    "control_characters": Rule(on=True, unit="lines", what="remove control, format and zero-width characters"),
    "nfc": Rule(on=True, unit="lines", what="compose characters (Unicode NFC)"),
    "simplified": Rule(on=False, unit="lines", what="convert traditional to simplified characters (OpenCC t2s)"),
    "long_lines": Rule(
        on=True, unit="lines", what="cut lines of more than --max-line-chars characters at sentence ends"
    ),
    "short_documents": Rule(
        on=True, unit="documents", what="drop documents with fewer than --min-document-chars letters or digits"
    ),
    "duplicate_documents": Rule(
        on=True, unit="documents", what="drop documents with the same lines as an earlier document"
    ),
    "duplicate_lines": Rule(on=False, unit="lines", what="drop lines that occur earlier anywhere in the corpus"),
}
# Other characters that end a line. The reader splits text at line feeds and carriage returns, records at line feeds.
_LINE_ENDS = re.compile("[\r\v\f\x1c-\x1e\x85\u2028\u2029]")


@dataclass(frozen=True, kw_only=True)
class CleaningConfig:
    """The rules that are on, and their limits in characters."""

    rules: tuple[str, ...] = tuple(name for name, rule in RULES.items() if rule.on)
    max_line_chars: int = 1_000_000
    min_document_chars: int = 2

    def __post_init__(self) -> None:
        unknown = sorted(set(self.rules) - set(RULES))
        require(not unknown, f"cleaning rules must be among {', '.join(RULES)}, but got {', '.join(unknown)}.")
        # the order in which the caller gives the rules has no meaning
        object.__setattr__(self, "rules", tuple(name for name in RULES if name in self.rules))
        for name in ("max_line_chars", "min_document_chars"):
            require(getattr(self, name) >= 1, f"`{name}` must be at least 1, but is {getattr(self, name)}.")

    def switched(self, *, on: tuple[str, ...] = (), off: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the names of the active rules after switching some on and some off."""
        return tuple({*self.rules, *on} - set(off))


@dataclass(frozen=True, kw_only=True)
class Cleaner:
    """The rules for lines and single documents, ready to be applied.

    sentences: where long lines may be cut.
    """

    config: CleaningConfig
    sentences: SentenceRule = SentenceRule()

    @cached_property
    def _changes(self) -> list[tuple[str, Callable[[str], str]]]:
        """The rules that rewrite lines, in the order in which they are applied."""
        known: dict[str, Callable[[], Callable[[str], str]]] = {
            "control_characters": lambda: _without_control_characters,
            "nfc": lambda: _composed,
            "simplified": _simplifier,
        }
        return [(name, make_change()) for name, make_change in known.items() if name in self.config.rules]

    def clean(self, document: RawDocument, report: CorpusReport) -> RawDocument | None:
        """Return the document with clean lines, or None if it is dropped.

        Empty lines are left out. A document is dropped by a rule, or because no line is left. `report` counts both.
        """
        lines: list[str] = []
        for raw in document.lines:
            for line in _LINE_ENDS.split(raw) if _LINE_ENDS.search(raw) else (raw,):
                for part in self._parts(line, document.doc_id, report):
                    cleaned = self._clean_line(part, document.doc_id, report)
                    if cleaned:
                        lines.append(cleaned)
            report.characters["white_space"] += len(_LINE_ENDS.findall(raw))
        if not lines:
            report.add("empty_documents", place=document.doc_id, text="".join(document.lines[:1]), removed=0)
            return None
        if "short_documents" in self.config.rules and not self._has_enough_text(lines):
            report.add("short_documents", place=document.doc_id, text=lines[0], removed=sum(map(len, lines)))
            return None
        return RawDocument(doc_id=document.doc_id, lines=tuple(lines))

    def _parts(self, line: str, doc_id: str, report: CorpusReport) -> list[str]:
        if len(line) <= self.config.max_line_chars or "long_lines" not in self.config.rules:
            return [line]
        parts = self.sentences.cut(line, max_chars=self.config.max_line_chars)
        report.add("long_lines", place=doc_id, text=line, removed=0)
        return parts

    def _clean_line(self, line: str, doc_id: str, report: CorpusReport) -> str:
        without = _without_surrogates(line)
        if without != line:  # JSON can hold them as \ud800, UTF-8 cannot encode them
            report.add("lone_surrogates", place=doc_id, text=line, removed=len(line) - len(without))
            line = without
        for name, change in self._changes:
            changed = change(line)
            if changed != line:
                report.add(name, place=doc_id, text=line, removed=len(line) - len(changed))
                line = changed
        stripped = line.strip()
        report.characters["white_space"] += len(line) - len(stripped)
        return stripped

    def _has_enough_text(self, lines: list[str]) -> bool:
        found = 0
        for line in lines:
            for character in line:
                found += character.isalnum()
                if found >= self.config.min_document_chars:
                    return True
        return False


def _without_surrogates(line: str) -> str:
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return "".join(character for character in line if not "\ud800" <= character <= "\udfff")
    return line


def _without_control_characters(line: str) -> str:
    return line if line.isprintable() else _control_characters().sub("", line)


@lru_cache(maxsize=1)
def _control_characters() -> re.Pattern[str]:
    """Return a pattern of the Unicode categories Cc and Cf, except the tab."""
    ranges: list[list[int]] = []
    for number in range(sys.maxunicode + 1):
        if unicodedata.category(chr(number)) in ("Cc", "Cf") and number != ord("\t"):
            if ranges and ranges[-1][1] == number - 1:
                ranges[-1][1] = number
            else:
                ranges.append([number, number])
    return re.compile("[" + "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in ranges) + "]")


def _composed(line: str) -> str:
    return line if unicodedata.is_normalized("NFC", line) else unicodedata.normalize("NFC", line)


def _simplifier() -> Callable[[str], str]:
    try:
        from opencc import OpenCC
    except ImportError:
        raise ConfigError(
            "the cleaning rule simplified needs OpenCC; run pip install 'paddle_wwm[simplified]'."
        ) from None
    return OpenCC("t2s").convert
