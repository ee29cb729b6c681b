"""What became of every character: counts by rule, and a few samples of each, so that nothing is dropped or changed
unseen.
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

    counts: how often a rule was applied, in lines, sentences or documents as the rule says.
    characters: "read" (line ends apart), "kept" (of the sentences that were tokenized), and what each rule took away:
    read = kept + the rest.
    samples: the first texts that each rule was applied to, with the place they stand at.
    """

    counts: Counter = field(default_factory=Counter)
    characters: Counter = field(default_factory=Counter)
    samples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, rule: str, *, place: str, text: str, removed: int, count: int = 1) -> None:
        """Count a rule that was applied to `text` at `place` and took `removed` characters away (negative: added)."""
        self.counts[rule] += count
        self.characters[rule] += removed
        samples = self.samples.setdefault(rule, [])
        if len(samples) < MAX_SAMPLES:
            printable = place.encode("utf-8", "backslashreplace").decode(
                "utf-8"
            )  # a file's name on disk need not be UTF-8
            samples.append(f"{printable}: {excerpt(text)}")

    def merge(self, other: CorpusReport) -> None:
        """Add what comes later in the corpus."""
        self.counts.update(other.counts)
        self.characters.update(other.characters)
        for rule, samples in other.samples.items():
            known = self.samples.setdefault(rule, [])
            known.extend(samples[: MAX_SAMPLES - len(known)])

    def to_json(self) -> dict[str, Any]:
        """As plain containers, in a stable order."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "characters": dict(sorted(self.characters.items())),
            "samples": dict(sorted(self.samples.items())),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> CorpusReport:
        """The report that `to_json` was called on."""
        return cls(
            counts=Counter(value["counts"]), characters=Counter(value["characters"]), samples=dict(value["samples"])
        )


def excerpt(text: str) -> str:
    """The beginning of a text on one line, with what cannot be printed made visible."""
    return printable(text[:MAX_SAMPLE_CHARS]) + ("…" if len(text) > MAX_SAMPLE_CHARS else "")


def printable(text: str) -> str:
    """The text with what cannot be printed made visible: nothing in it can move a terminal's cursor."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
