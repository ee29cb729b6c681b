"""Read, check and write vocabulary files. `vocab_building.py` builds vocabularies.

A vocabulary file has one WordPiece per line; the line number, from 0, is its id.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Iterable, Sequence

import numpy as np

from ..errors import DataError
from ..files import atomic_write

# the label of a piece that is not predicted; the loss ignores it, and no id or class has this number
IGNORED_LABEL = -100
PAD, UNK, CLS, SEP, MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True, kw_only=True)
class Vocab:
    """The entries of a vocabulary, in the order of their ids (see `load_vocab`)."""

    tokens: tuple[str, ...]
    sha256: str  # of the file's bytes

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of every token."""
        return {token: index for index, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def pad_id(self) -> int:
        """The id of [PAD]."""
        return self.ids[PAD]

    @property
    def unk_id(self) -> int:
        """The id of [UNK]."""
        return self.ids[UNK]

    @property
    def cls_id(self) -> int:
        """The id of [CLS]."""
        return self.ids[CLS]

    @property
    def sep_id(self) -> int:
        """The id of [SEP]."""
        return self.ids[SEP]

    @property
    def mask_id(self) -> int:
        """The id of [MASK]."""
        return self.ids[MASK]

    @cached_property
    def random_token_ids(self) -> np.ndarray:
        """The ids from which random tokens are drawn. int64, shape (num_ids,).

        These are all ids except those of the special tokens and of the [unused…] entries.
        """
        return np.array([index for index, token in enumerate(self.tokens) if not _is_reserved(token)], np.int64)

    def save(self, path: str | Path) -> None:
        """Write the vocabulary file; the sha256 of its bytes is `sha256`."""
        with atomic_write(path) as stream:
            stream.write(encoded(self.tokens))


def _is_reserved(token: str) -> bool:
    return token in SPECIAL_TOKENS or (token.startswith("[unused") and token.endswith("]"))


def encoded(tokens: Iterable[str]) -> bytes:
    """Return the bytes of the file of a vocabulary with these tokens."""
    return "".join(f"{token}\n" for token in tokens).encode("utf-8")


def load_vocab(path: str | Path) -> Vocab:
    """Read and check a vocab.txt.

    Args:
        path: A UTF-8 file with one token per line; the line number, from 0, is the id of the token.

    Returns:
        The vocabulary: the tokens in the order of their ids, the id of each token, and the sha256 of the file.

    Raises:
        DataError: The file is missing, or a line breaks a rule. The message names the file, the line and the rule.

    Source:
        The format of Google's BERT: https://github.com/google-research/bert.

    Example:
        >>> from paddle_wwm import load_vocab
        >>> vocab = load_vocab("vocab.txt")
        >>> vocab.tokens[vocab.mask_id]
        '[MASK]'
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such vocabulary; build one with paddle-wwm build-vocab, or use the vocab.txt of a model."
        ) from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder, not a vocabulary; use the path of the vocab.txt in it.") from None
    tokens: list[str] = []
    first_line: dict[str, int] = {}
    data = data.rstrip(b"\r\n")  # blank lines at the end change no id
    for number, raw in enumerate(data.split(b"\n") if data else (), start=1):
        try:
            token = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r")
        except UnicodeDecodeError:
            raise DataError(
                f"{path}, line {number}: not UTF-8; a vocabulary must be a UTF-8 text file with one token per line."
            ) from None
        if not token:
            raise DataError(
                f"{path}, line {number}: empty; the line number is the id, so every line must hold a token."
            )
        if token in first_line:
            raise DataError(
                f"{path}, line {number}: {token!r} is already on line {first_line[token]}; every token must occur once."
            )
        first_line[token] = number
        tokens.append(token)
    return vocab_of(tokens, source=path)


def vocab_of(tokens: Sequence[str], *, source: str | Path) -> Vocab:
    """Return the vocabulary with these tokens.

    Args:
        source: where the tokens come from, for the message.

    Raises:
        DataError: a token of `SPECIAL_TOKENS` is missing.
    """
    missing = set(SPECIAL_TOKENS) - set(tokens)
    if missing:
        raise DataError(
            f"{source}: lacks {', '.join(token for token in SPECIAL_TOKENS if token in missing)}; a BERT vocabulary "
            f"needs {' '.join(SPECIAL_TOKENS)}. "
            "Use the vocab.txt of the model, or build one with paddle-wwm build-vocab."
        )
    # hash the tokens, not the bytes, so that CRLF line ends make no difference
    return Vocab(tokens=tuple(tokens), sha256=hashlib.sha256(encoded(tokens)).hexdigest())
