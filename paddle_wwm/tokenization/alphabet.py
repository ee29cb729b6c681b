"""Choose the characters of a vocabulary, the most frequent first, and keep account of those that are left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Mapping

from ..errors import ConfigError, DataError
from .vocab import SPECIAL_TOKENS


@dataclass(frozen=True, kw_only=True)
class VocabOptions:
    """What goes into a vocabulary.

    Attributes:
        size: The largest number of entries.
        do_lower_case: Convert the text to lower case and strip accents.
        min_frequency: A longer piece must occur at least this often.
        min_character_frequency: A character must occur at least this often. None: like `min_frequency`.
        limit_alphabet: The largest number of different characters; the most frequent are kept. None: no limit.
        character_coverage: The share of all occurrences of characters that the alphabet must reach. The most frequent
            characters that reach it are kept. 1.0: all characters.

    Raises:
        ConfigError: A value is impossible.
    """

    size: int
    do_lower_case: bool = True
    min_frequency: int = 2
    min_character_frequency: int | None = None
    limit_alphabet: int | None = None
    character_coverage: float = 1.0

    def __post_init__(self) -> None:
        least = len(SPECIAL_TOKENS) + 1
        rules = [
            (self.size >= least, f"`vocab_size` must be at least {least} (special tokens and a character)", self.size),
            (self.min_frequency >= 1, "`min_frequency` must be at least 1", self.min_frequency),
            (
                self.least_character_count >= 1,
                "`min_character_frequency` must be at least 1",
                self.least_character_count,
            ),
            (
                self.limit_alphabet is None or self.limit_alphabet >= 1,
                "`limit_alphabet` must be at least 1",
                self.limit_alphabet,
            ),
            (
                0.0 < self.character_coverage <= 1.0,
                "`character_coverage` must be above 0 and at most 1",
                self.character_coverage,
            ),
        ]
        for is_right, rule, value in rules:
            if not is_right:
                raise ConfigError(f"{rule}, but is {value}.")
        needed = len(SPECIAL_TOKENS) + (self.limit_alphabet or 0)
        if self.size < needed:
            raise ConfigError(
                f"`vocab_size` must be at least {needed} for the {len(SPECIAL_TOKENS)} special tokens and "
                f"`limit_alphabet` {self.limit_alphabet}, but is {self.size}; raise it or lower `limit_alphabet`."
            )

    @property
    def least_character_count(self) -> int:
        """How often a character must occur."""
        return self.min_frequency if self.min_character_frequency is None else self.min_character_frequency


@dataclass(frozen=True, kw_only=True)
class Alphabet:
    """The characters of a vocabulary, and what was left out.

    Attributes:
        kept: The characters, the most frequent first.
        left_out: The characters that are not kept, by the option that left them out, each with its count.
        num_occurrences: Of all characters, without white space.
        num_occurrences_kept: Of the kept ones.
    """

    kept: tuple[str, ...]
    left_out: dict[str, list[tuple[str, int]]]
    num_occurrences: int
    num_occurrences_kept: int

    @property
    def coverage(self) -> float:
        """The share of the occurrences that are kept."""
        return self.num_occurrences_kept / self.num_occurrences


def choose_alphabet(words: Mapping[str, int], *, options: VocabOptions) -> Alphabet:
    """Choose the characters.

    Of equally frequent ones, those with lower code points come first.

    Raises:
        DataError: No character is frequent enough.
    """
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    total, covered = sum(counts.values()), 0
    kept: list[str] = []
    left_out: dict[str, list[tuple[str, int]]] = {}
    for character, count in ranked:
        if count < options.least_character_count:
            reason = f"min-frequency {options.least_character_count}"
        elif options.limit_alphabet is not None and len(kept) >= options.limit_alphabet:
            reason = f"limit-alphabet {options.limit_alphabet}"
        elif covered >= options.character_coverage * total:
            reason = f"character-coverage {options.character_coverage}"
        else:
            kept.append(character)
            covered += count
            continue
        left_out.setdefault(reason, []).append((character, count))
    if not kept:
        raise DataError(
            f"no character of the corpus occurs {options.least_character_count} times; lower `min_frequency`, or use "
            f"more text."
        )
    return Alphabet(kept=tuple(kept), left_out=left_out, num_occurrences=total, num_occurrences_kept=covered)
