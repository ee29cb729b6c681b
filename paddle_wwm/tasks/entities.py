"""Entities in the labels of a text's tokens. This module does not need Paddle.

The set of labels shows which scheme they follow:

    B-PER I-PER O                IOB1 and IOB2 (BIO); a label I- that nothing begins, begins an entity itself
    B-PER I-PER E-PER S-PER O    BIOES, and BMES, BMEWO, BILOU with their letters
    PER-B PER-I O                the same schemes, with the letter last
    B M E S                      the letters alone, for word segmentation
    PER LOC O                    names alone: neighbouring tokens with the same label are one entity
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple, Sequence

import numpy as np

OUTSIDE = "O"
SCHEMES = tuple(map(frozenset, ("BI", "BIES", "BMES", "BMEW", "BILU")))
LETTER_FIRST, LETTER_LAST = re.compile(r"([BIMELSUW])[-_](.+)"), re.compile(r"(.+)[-_]([BIMELSUW])")


class Tag(enum.Enum):
    """The place of a token in its entity."""

    OUTSIDE = "O"
    BEGIN = "B"
    INSIDE = "IM"
    END = "EL"
    SINGLE = "SUW"  # the only token of its entity


@dataclass(frozen=True, kw_only=True)
class EncodedTokens:
    """The tokens of a text, which get labels, and the pieces that the model reads.

    Attributes:
        text: the text; all places are characters [start, end) of it.
        is_divided: True if the caller divided the text into tokens. If not, every character is a token.
        characters: the place of each token.
        first_pieces: the index of the piece that gives the token its label; -1 for a token without pieces.
        piece_ids: int32 (pieces,), the pieces of the whole text.
        piece_places: int32 (pieces, 2), the place of each piece.
    """

    text: str
    is_divided: bool
    characters: Sequence[tuple[int, int]]
    first_pieces: Sequence[int]
    piece_ids: np.ndarray
    piece_places: np.ndarray

    @property
    def num_pieces(self) -> int:
        """The number of pieces of the whole text."""
        return len(self.piece_ids)


class Unit(NamedTuple):
    """Tokens that get their label from the same piece: tokens [first, end)."""

    piece: int
    first: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Entity:
    """An entity: `text[start:end]` of the text that was labelled.

    Attributes:
        label: its type, without the letter of the scheme; "" if the labels have no types.
        score: the mean probability of the labels of its pieces (of its tokens, if the caller divided the text).
    """

    start: int
    end: int
    text: str
    label: Any
    score: float


class LabelScheme:
    """The scheme of a set of labels.

    Args:
        labels: all labels of the model.
        suffix: True if the letter is expected last; it decides only if the labels can be read in both ways.
    """

    def __init__(self, labels: Sequence[Any], *, suffix: bool = False) -> None:
        self._parsed: dict[Any, tuple[Tag, Any]] = _parsed(labels, suffix=suffix)
        self._names = {parsed: label for label, parsed in self._parsed.items()}

    def spans(self, labels: Sequence[Any]) -> list[tuple[int, int, Any]]:
        """Return the entities in a row of labels.

        An entity is its first label, its end (exclusive) and its type. Rows that break the scheme are read as
        conlleval reads them.
        """
        found: list[tuple[int, int, Any]] = []
        is_open = False
        for place, label in enumerate(labels):
            tag, kind = self._parsed[label]
            if is_open and tag in (Tag.INSIDE, Tag.END) and found[-1][2] == kind:
                found[-1] = (found[-1][0], place + 1, kind)
            elif tag is not Tag.OUTSIDE:
                found.append((place, place + 1, kind))
            is_open = tag in (Tag.BEGIN, Tag.INSIDE)
        return found

    def spread(self, label: Any, num: int) -> list[Any]:
        """Return the labels of `num` characters that share a piece with this label.

        B-PER of three characters: B-PER I-PER I-PER. S-PER: B-PER I-PER E-PER. A label that the set lacks is replaced
        by the piece's own.
        """
        tag, kind = self._parsed[label]
        if num == 1 or tag is Tag.OUTSIDE:
            return [label] * num
        begin, inside, end = (self._names.get((wanted, kind), label) for wanted in (Tag.BEGIN, Tag.INSIDE, Tag.END))
        first = begin if tag is Tag.SINGLE else label if tag is Tag.BEGIN else inside
        last = end if tag is Tag.SINGLE else label if tag is Tag.END else inside
        return [first, *[inside] * (num - 2), last]

    def inside(self, kind: Any, *, default: Any) -> Any:
        """Return the label inside an entity of a type."""
        return self._names.get((Tag.INSIDE, kind), default)


def _parsed(labels: Sequence[Any], *, suffix: bool) -> dict[Any, tuple[Tag, Any]]:
    """Return the tag and the type of every label."""
    names = [label for label in labels if label != OUTSIDE]
    letters = {str(name) for name in names}
    if "B" in letters and len(letters) > 1 and any(letters <= scheme for scheme in SCHEMES):
        tags: dict[Any, tuple[str, Any]] = {name: (name, "") for name in names}
    else:
        readings = [_with_letter(names, is_last=is_last) for is_last in (suffix, not suffix)]
        tags = max(readings, key=len)
    parsed = {name: (_tag_of(tags[name][0]), tags[name][1]) if name in tags else (Tag.INSIDE, name) for name in names}
    return {label: parsed.get(label, (Tag.OUTSIDE, None)) for label in labels}


def _with_letter(names: Sequence[Any], *, is_last: bool) -> dict[Any, tuple[str, str]]:
    """Return the letter and the type of the labels that have both.

    The result is empty if the letters are those of no scheme: "S-curve" and "M-size" have none.
    """
    matches = {
        name: (LETTER_LAST if is_last else LETTER_FIRST).fullmatch(name) for name in names if isinstance(name, str)
    }
    found = {
        name: (match[2], match[1]) if is_last else (match[1], match[2]) for name, match in matches.items() if match
    }
    letters = {letter for letter, _ in found.values()}
    return found if letters & set("BI") and any(letters <= scheme for scheme in SCHEMES) else {}


def _tag_of(letter: str) -> Tag:
    return next(tag for tag in Tag if letter in tag.value)


def units_of(tokens: EncodedTokens) -> list[Unit]:
    """Return the tokens that have pieces, those of the same piece together."""
    units, place = [], 0
    for piece, group in groupby(tokens.first_pieces):
        first, place = place, place + len(list(group))
        if piece >= 0:
            units.append(Unit(piece=piece, first=first, end=place))
    return units


def labels_of_tokens(
    tokens: EncodedTokens, labels_of_pieces: Sequence[Any], *, scheme: LabelScheme, outside: Any
) -> list[Any]:
    """Return the label of every token.

    A token without pieces, such as a space, gets the label `outside`. Between two characters of one entity it gets the
    label inside the entity, unless the caller divided the text.
    """
    if tokens.is_divided:
        return [outside if piece < 0 else labels_of_pieces[piece] for piece in tokens.first_pieces]
    labels = [outside] * len(tokens.characters)
    units = units_of(tokens)
    of_units = [labels_of_pieces[unit.piece] for unit in units]
    for unit, label in zip(units, of_units):
        size = unit.end - unit.first
        labels[unit.first : unit.end] = [label] if size == 1 else scheme.spread(label, size)
    for first, end, kind in scheme.spans(of_units):
        inside = scheme.inside(kind, default=outside)
        for unit, following in zip(units[first : end - 1], units[first + 1 : end]):
            labels[unit.end : following.first] = [inside] * (following.first - unit.end)
    return labels


def entities_of(
    tokens: EncodedTokens, labels_of_pieces: Sequence[Any], *, scores_of_pieces: Sequence[float], scheme: LabelScheme
) -> list[Entity]:
    """Return the entities of a text.

    A token without pieces neither begins nor ends one.

    Args:
        tokens: the tokens of the text.
        labels_of_pieces: the label of every piece.
        scores_of_pieces: the probability of that label.
        scheme: the scheme of the labels.
    """
    units = units_of(tokens)
    found = []
    for first, last, kind in scheme.spans([labels_of_pieces[unit.piece] for unit in units]):
        start, end = tokens.characters[units[first].first][0], tokens.characters[units[last - 1].end - 1][1]
        scores = [scores_of_pieces[unit.piece] for unit in units[first:last]]
        found.append(
            Entity(start=start, end=end, text=tokens.text[start:end], label=kind, score=sum(scores) / len(scores))
        )
    return found
