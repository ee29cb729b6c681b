"""LAC's custom dictionary, honoured as `LAC.load_customization` does: words of the user's own that overrule the model.

A line is a phrase; white space in it says where the phrase is to be cut (花 开 is two words wherever 花开 stands), and
a word may carry a part of speech (春天/SEASON), which LAC's segmentation model has no use for. A phrase of one
character counts only with a part of speech. The phrases are matched against the text as it is, not against the
simplified, half-width one that the model sees.
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy as np

from .lac_model import NUM_CODE_POINTS
from .user_dictionary import read_lines


class Customization:
    """The phrases of a dictionary file."""

    def __init__(self, path: Path) -> None:
        self._word_ends: dict[str, list[int]] = {}  # phrase -> where its words end
        self._prefixes: set[str] = set()
        self._num_without_effect = 0
        for line in read_lines(path):
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
            has_tag |= not ends and bool(word and tag)  # of the first word
            phrase += word if word else entry  # a slash in front is part of the word
            ends.append(len(phrase))
        if len(phrase) == 1 and not has_tag:
            self._num_without_effect += 1
            return
        self._word_ends[phrase] = ends  # the last of several lines counts
        self._prefixes.update(phrase[:length] for length in range(1, len(phrase) + 1))

    def apply(self, text: str, code_points: np.ndarray, starts: np.ndarray) -> None:
        """Change the word starts of `text` (bool, one a character; code_points: uint32, the same) to those that the
        dictionary wants.
        """
        covered = 0
        for begin in np.flatnonzero(self._begins_phrase[code_points]).tolist():
            # every phrase from here that reaches beyond all before, the short ones first: a later one overrules those
            # that it overlaps
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
