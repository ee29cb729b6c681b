"""Split lines into sentences: after 。！？ by default, as the authors of Chinese-BERT-wwm do."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from functools import cached_property

from ..errors import require

# closing quotes and brackets after the end mark belong to the sentence
_CLOSING = re.escape("”’」』）】》〉\"')]")
# a sentence that is too long is cut after the last of these characters, if there is one
_BREAKS = re.compile(r"[，、；：,;:\s]")


@dataclass(frozen=True, kw_only=True)
class SentenceRule:
    """The rule for where sentences end.

    Example:
        >>> SentenceRule().split("今天下雨。明天呢？")
        ['今天下雨。', '明天呢？']

    Args:
        ends: The characters that end a sentence.
        english: Also end a sentence at . ! ? before white space or the end of the line (so not in 3.14).
        max_chars: Cut longer sentences, after the last comma or white space if there is one.
    """

    ends: str = "。！？"
    english: bool = False
    max_chars: int = 10_000

    def __post_init__(self) -> None:
        require(self.ends != "" or self.english, "`ends` must hold at least one character, but is empty.")
        require(self.max_chars >= 1, f"`max_chars` must be at least 1, but is {self.max_chars}.")

    @cached_property
    def _end(self) -> re.Pattern[str]:
        ends = [f"[{re.escape(self.ends)}]+"] if self.ends else []
        if self.english:  # the lookbehind keeps the time linear for a long run of full stops
            ends.append(rf"(?<![.!?])[.!?]+(?=[{_CLOSING}]*(?:\s|$))")
        return re.compile(f"(?:{'|'.join(ends)})[{_CLOSING}]*")

    def split(self, line: str) -> list[str]:
        """Return the sentences of a line, without surrounding white space.

        Except for white space, their concatenation is equal to the line.
        """
        sentences: list[str] = []
        begin = 0
        for match in self._end.finditer(line):
            sentences.append(line[begin : match.end()].strip())
            begin = match.end()
        sentences.append(line[begin:].strip())
        if len(line) <= self.max_chars:
            return [sentence for sentence in sentences if sentence]
        return [part for sentence in sentences for part in self._cut(sentence)]

    def cut(self, line: str, *, max_chars: int) -> list[str]:
        """Cut a line into parts of at most `max_chars`, after ends of sentences.

        A part without the end of a sentence is cut after a comma or white space if there is one. The concatenation of
        the parts is equal to the line.
        """
        parts = []
        begin = 0
        while len(line) - begin > max_chars:
            end = limit = begin + max_chars
            for pattern in (self._end, _BREAKS):
                # marks or quotes may follow a match that touches the limit
                ends = deque((match.end() for match in pattern.finditer(line, begin, limit) if match.end() < limit), 1)
                if ends:
                    end = ends[0]
                    break
            parts.append(line[begin:end])
            begin = end
        return [*parts, line[begin:]]

    def _cut(self, sentence: str) -> list[str]:
        parts = []
        begin = 0
        while len(sentence) - begin > self.max_chars:
            breaks = [match.end() for match in _BREAKS.finditer(sentence, begin, begin + self.max_chars)]
            end = breaks[-1] if breaks else begin + self.max_chars
            parts.append(sentence[begin:end].strip())
            begin = end
        parts.append(sentence[begin:].strip())
        return [part for part in parts if part]
