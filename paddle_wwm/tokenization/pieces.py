"""Convert WordPieces to readable text."""

from __future__ import annotations

from typing import Sequence

FIRST_NON_LATIN = "\u2e80"  # the CJK blocks begin here; their scripts have no spaces


def join_pieces(pieces: Sequence[str]) -> str:
    """Return pieces as text, with spaces only in scripts that have spaces.

    Example:
        >>> join_pieces(["pro", "##ba", "##bility", "的", "词"])
        'probability的词'
    """
    text = ""
    for piece in pieces:
        if piece.startswith("##") and len(piece) > 2 and text:
            text += piece[2:]
        elif piece == "[SEP]":
            text += f" {piece} "
        else:
            text += (" " if text and is_spaced(text[-1]) and is_spaced(piece[0]) else "") + piece
    return text.strip()


def is_spaced(character: str) -> bool:
    """Return True if words with this character at an end are separated by spaces."""
    return character.isalnum() and character < FIRST_NON_LATIN


def group_pieces(pieces: Sequence[str], word_starts: Sequence[bool]) -> list[list[str]]:
    """Return the pieces of every word of a sequence.

    If the first piece does not start a word, the first group is the rest of a word.
    """
    words: list[list[str]] = []
    for piece, starts in zip(pieces, word_starts):
        if starts or not words:
            words.append([])
        words[-1].append(piece)
    return words


def join_words(pieces: Sequence[str], word_starts: Sequence[bool]) -> list[str]:
    """Return the words of a sequence of pieces as text; see `group_pieces`."""
    return [join_pieces(word) for word in group_pieces(pieces, word_starts)]
