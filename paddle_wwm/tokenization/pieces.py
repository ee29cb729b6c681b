"""WordPieces as text that a person can read."""

from __future__ import annotations

from typing import Sequence

FIRST_NON_LATIN = "\u2e80"  # the CJK blocks begin here: scripts written without spaces


def join_pieces(pieces: Sequence[str]) -> str:
    """Pieces as running text: "##" pieces joined to what is before them, a space only between words of scripts that
    have one.
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
    """Return True if words that end or begin with this character have spaces between them."""
    return character.isalnum() and character < FIRST_NON_LATIN


def group_pieces(pieces: Sequence[str], word_starts: Sequence[bool]) -> list[list[str]]:
    """The pieces of every word of a run. A run that does not begin with a word's start begins with the rest of one."""
    words: list[list[str]] = []
    for piece, starts in zip(pieces, word_starts):
        if starts or not words:
            words.append([])
        words[-1].append(piece)
    return words


def join_words(pieces: Sequence[str], word_starts: Sequence[bool]) -> list[str]:
    """The words of a run of pieces, each as text; see `group_pieces`."""
    return [join_pieces(word) for word in group_pieces(pieces, word_starts)]
