"""Apply a custom dictionary to LAC's words, with the same results as `LAC.load_customization`.

Each line of the dictionary is a phrase. White space in it marks where the phrase is cut: with the line "花 开", every
花开 in a text becomes two words. A word can have a part of speech (春天/SEASON), which the segmentation model does not
use. A phrase of one character takes effect only if it has a part of speech. Phrases are compared with the original
text, not with the simplified, half-width text that the model sees.
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy as np

from .lac_model import NUM_CODE_POINTS
from .user_dictionary import read_lines, refuse_jieba_form


class Customization:
    """The phrases of a dictionary file, which take precedence over the model."""

    def __init__(self, path: Path) -> None:
        self._word_ends: dict[str, list[int]] = {}  # phrase -> the ends of its words
        self._prefixes: set[str] = set()
        self._num_without_effect = 0
        lines = read_lines(path)
        refuse_jieba_form(lines, path)
        for line in lines:
            self._add(line.split())
        self.description = f"{len(self._word_ends)} phrases ({self._num_without_effect} lines without effect)"
        self._begins_phrase = np.zeros(NUM_CODE_POINTS, bool)
        self._begins_phrase[[ord(phrase[0]) for phrase in self._word_ends]] = True

    def _add(self, entries: Sequence[str]) -> None:
        if not entries:
            return
        phrase, has_tag = "", False
        ends: list[int] = []
        for entry in entries:
            word, slash, tag = entry.rpartition("/")
            has_tag |= not ends and bool(word and tag)  # the part of speech of the first word counts
            phrase += word if word else entry  # a leading slash is part of the word
            ends.append(len(phrase))
        if len(phrase) == 1 and not has_tag:
            self._num_without_effect += 1
            return
        self._word_ends[phrase] = ends  # a later line for the same phrase replaces an earlier one
        self._prefixes.update(phrase[:length] for length in range(1, len(phrase) + 1))

    def apply(self, text: str, code_points: np.ndarray, starts: np.ndarray) -> None:
        """Change the word starts of a text, in place, to those of the dictionary.

        Args:
            text: The text.
            code_points: uint32, shape (num_characters,), the code points of the text.
            starts: bool, shape (num_characters,), True where a word starts.
        """
        covered = 0
        for begin in np.flatnonzero(self._begins_phrase[code_points]).tolist():
            # As in LAC: apply each phrase that ends after all earlier ones, short phrases first. A later phrase
            # overwrites the words of the phrases that it overlaps.
            for end in range(begin + 1, len(text) + 1):
                phrase = text[begin:end]
                if phrase not in self._prefixes:
                    break
                if end > covered and phrase in self._word_ends:
                    covered = end
                    starts[begin:end] = False
                    starts[begin] = True
                    for word_end in self._word_ends[phrase]:
                        if begin + word_end < len(text):
                            starts[begin + word_end] = True
