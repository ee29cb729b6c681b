"""Read user dictionaries: UTF-8 text files with one phrase per line. Several files count as one after the other.

A byte order mark at the start of a line is not part of the phrase: some editors write one, and `cat` moves it into the
middle of a file. Lines that cannot have an effect are counted, with the reason. A file in which no line can have an
effect is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Callable, Iterable, Sequence

import numpy as np

from ..errors import DataError
from ..file_kinds import kind_of
from ..files import sha256_of_file
from ..text_encodings import advice, conversion, likely_encoding
from .counts import excerpt
from .phrases import Occurrence, PhraseIndex

MAX_PHRASE_CHARS = 1000  # memory is quadratic in the length: the index holds every beginning of a phrase
_HEAD_BYTES = 1 << 16  # that show the kind of a file and its encoding
NO_EFFECT, REPLACED = "dictionary_lines_without_effect", "dictionary_lines_replaced"
# A line of jieba's form, which LAC reads in another way.
JIEBA_LINE = re.compile(r"\s*(?P<word>[^/]*[^/\s])\s+\d+(?P<tag>\s+[a-z]+)?\s*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A line of a dictionary.

    Attributes:
        phrase: The characters that are looked up in a text.
        cuts: Where words end inside the phrase, in characters.
        is_unwanted: The phrase must not be one word (jieba: a frequency of 0).
        problem: Why the line has no effect; "" if it can have one.
    """

    phrase: str
    cuts: tuple[int, ...] = ()
    is_unwanted: bool = False
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Remark:
    """A line that is not used. `rule` is NO_EFFECT or REPLACED."""

    rule: str
    place: str
    text: str


@dataclass(frozen=True, kw_only=True)
class UserDictionary:
    """The phrases of dictionary files. The last line of a phrase counts.

    Attributes:
        entries: The entry of every phrase. Phrase n is the n-th key.
        places: The file name and the line of every phrase.
        remarks: The lines that are not used.
        sha256s: Of the files, in their order.
        names: Of the files, in their order.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    sha256s: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def num_without_effect(self) -> int:
        """The number of lines that cannot have an effect."""
        return sum(remark.rule == NO_EFFECT for remark in self.remarks)

    @cached_property
    def start_flags(self) -> list[bytes]:
        """For every phrase, one byte per character: 1 if a word starts there, else 0."""
        return [
            bytes(place == 0 or place in entry.cuts for place in range(len(phrase)))
            for phrase, entry in self.entries.items()
        ]

    @cached_property
    def index(self) -> PhraseIndex:
        """The index for finding the phrases in texts."""
        return PhraseIndex(self.entries)


def dictionary_paths(value: str | Path | Iterable[str | Path] | None) -> tuple[Path, ...]:
    """Return the paths of one dictionary, of several, or of none."""
    if value is None:
        return ()
    return (Path(value),) if isinstance(value, (str, Path)) else tuple(Path(path) for path in value)


def read_dictionary(
    paths: Sequence[Path], *, check: Callable[[Sequence[str], Path], None], parse: Callable[[str], Entry | None]
) -> UserDictionary:
    """Read dictionary files.

    Args:
        paths: The files. For a phrase that is in several files, the last one counts.
        check: Called with the lines of every file; raises DataError if the file has another form.
        parse: Returns the entry of a line; None for an empty line.

    Raises:
        DataError: A file is not UTF-8, has another form or a phrase that is too long, or has no line that can have an
            effect.
    """
    dictionary = UserDictionary(
        sha256s=tuple(map(sha256_of_file, paths)), names=tuple(excerpt(path.name) for path in paths)
    )
    for path in paths:
        lines = read_lines(path)
        check(lines, path)
        first_problem, is_useful = "", False
        for number, line in enumerate(lines, start=1):
            entry = parse(line)
            if entry is None:
                continue
            if entry.problem:
                text = f"{excerpt(line.strip())} ({entry.problem})"
                dictionary.remarks.append(Remark(rule=NO_EFFECT, place=f"{path.name}:{number}", text=text))
                first_problem = first_problem or f"{path}:{number}: '{excerpt(line.strip())}': {entry.problem}"
                continue
            if len(entry.phrase) > MAX_PHRASE_CHARS:
                raise DataError(
                    f"{path}:{number}: a phrase must have at most {MAX_PHRASE_CHARS:,} characters, but this one has "
                    f"{len(entry.phrase):,} ('{excerpt(entry.phrase)}'); write one phrase per line."
                )
            is_useful = True
            if entry.phrase in dictionary.entries:
                old = dictionary.places[entry.phrase]
                dictionary.remarks.append(Remark(rule=REPLACED, place=old, text=entry.phrase))
            dictionary.entries[entry.phrase] = entry
            dictionary.places[entry.phrase] = f"{path.name}:{number}"
        if first_problem and not is_useful:
            raise DataError(f"{first_problem}. No line of the dictionary has an effect; correct it, or leave it out.")
    return dictionary


def read_lines(path: Path) -> list[str]:
    """Return the lines without their line ends and byte order marks.

    Raises:
        DataError: The file is not text in UTF-8.
    """
    content = path.read_bytes()
    head = content[:_HEAD_BYTES]
    if (kind := kind_of(head)) is not None:
        raise DataError(f"{path}: must be a text file, but is {kind.refusal(path.name)}")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        begin = content.rfind(b"\n", 0, error.start) + 1
        line = content[begin:].split(b"\n", 1)[0]
        remedy = advice(head, line=line, file_name=path.name)
        raise DataError(f"{path}:{number}: is not UTF-8 (byte {error.start - begin} of the line); {remedy}") from None
    if "\0" in text:
        number = text.count("\n", 0, text.index("\0")) + 1
        found = likely_encoding(head)
        is_utf_16 = found is not None and found.startswith("utf-16")
        remedy = f"convert it: {conversion(head, file_name=path.name)}" if is_utf_16 else "remove it"
        raise DataError(f"{path}:{number}: holds a NUL character{', as UTF-16 does' if is_utf_16 else ''}; {remedy}")
    return [line.lstrip("\ufeff") for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]


def apply_dictionary(dictionary: UserDictionary, occurrences: Iterable[Occurrence], starts: np.ndarray) -> None:
    """Change the word starts of texts, in place, to those of the dictionary.

    Args:
        dictionary: The dictionary.
        occurrences: Those of its phrases in the texts, all or some, in their order.
        starts: bool, shape (num_characters,), True where a word of the concatenated texts starts.
    """
    entries = list(dictionary.entries.values())
    covered = 0
    # As in LAC: apply each phrase that ends after all earlier ones, short phrases first. A later phrase overwrites the
    # words of the phrases that it overlaps.
    for start, end, number, limit in occurrences:
        if end > covered:
            covered = end
            starts[start:end] = False
            starts[start] = True
            for cut in entries[number].cuts:
                starts[start + cut] = True
            if end < limit:
                starts[end] = True
