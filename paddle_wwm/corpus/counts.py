"""Report what happened to every character: counts per rule and a few samples per rule.

With it, the user sees everything that was dropped or changed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

MAX_SAMPLES = 5
MAX_SAMPLE_CHARS = 60


@dataclass(kw_only=True)
class CorpusReport:
    """Counts of what was read, kept, dropped and changed.

    counts: how often each rule was applied, in the rule's unit (lines, sentences or documents).
    characters: "read" (without line ends), "kept" (in the sentences that were tokenized), and the number that each
    rule removed. "read" is the sum of all others.
    samples: the first texts that each rule was applied to, each with its place.
    """

    counts: Counter = field(default_factory=Counter)
    characters: Counter = field(default_factory=Counter)
    samples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, rule: str, *, place: str, text: str, removed: int, count: int = 1) -> None:
        """Count one application of a rule, and keep the text as a sample.

        Args:
            rule: The name of the rule.
            place: The file and line of the text.
            text: The text that the rule was applied to.
            removed: The number of characters that the rule removed. It is negative if the rule added some.
            count: The number of lines, sentences or documents.
        """
        self.counts[rule] += count
        self.characters[rule] += removed
        samples = self.samples.setdefault(rule, [])
        if len(samples) < MAX_SAMPLES:
            # a file name on disk can have another encoding
            printable = place.encode("utf-8", "backslashreplace").decode("utf-8")
            samples.append(f"{printable}: {excerpt(text)}")

    def merge(self, other: CorpusReport) -> None:
        """Merge the report of a later part of the corpus into this one."""
        self.counts.update(other.counts)
        self.characters.update(other.characters)
        for rule, samples in other.samples.items():
            known = self.samples.setdefault(rule, [])
            known.extend(samples[: MAX_SAMPLES - len(known)])

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain containers, with sorted keys."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "characters": dict(sorted(self.characters.items())),
            "samples": dict(sorted(self.samples.items())),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> CorpusReport:
        """Return the report that `to_json` was called on."""
        return cls(
            counts=Counter(value["counts"]), characters=Counter(value["characters"]), samples=dict(value["samples"])
        )


def excerpt(text: str) -> str:
    """Return the beginning of a text as one printable line."""
    return printable(text[:MAX_SAMPLE_CHARS]) + ("…" if len(text) > MAX_SAMPLE_CHARS else "")


def printable(text: str) -> str:
    """Return the text with escape sequences in place of unprintable characters.

    So no text from a corpus can move the cursor of a terminal.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
