"""Read, check, write and build vocabulary files.

A vocabulary file has one WordPiece per line; the line number, from 0, is its id.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Sequence

import numpy as np

from ..errors import DataError
from ..files import atomic_write

if TYPE_CHECKING:
    from tokenizers import BertWordPieceTokenizer

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
            stream.write(_encode(self.tokens))


def _is_reserved(token: str) -> bool:
    return token in SPECIAL_TOKENS or (token.startswith("[unused") and token.endswith("]"))


def _encode(tokens: Iterable[str]) -> bytes:
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
    return Vocab(tokens=tuple(tokens), sha256=hashlib.sha256(_encode(tokens)).hexdigest())


def build_vocab(
    sentences: Iterable[str], *, vocab_size: int, do_lower_case: bool = True, min_frequency: int = 2
) -> Vocab:
    """Train a WordPiece vocabulary with the `tokenizers` library, as for BERT.

    Every Chinese character is a separate token. The same sentences always give the same vocabulary.

    Args:
        sentences: The text of the corpus.
        vocab_size: The largest number of tokens.
        do_lower_case: Convert the text to lower case and strip accents.
        min_frequency: A longer piece must occur at least this often.

    Raises:
        DataError: The corpus has no text, or more characters than `vocab_size`.
    """
    from tokenizers import BertWordPieceTokenizer

    trainer = BertWordPieceTokenizer(lowercase=do_lower_case)
    word_counts = _count_words(sentences, trainer)
    if not word_counts:
        raise DataError("the corpus has no text; to build a vocabulary, use a corpus with text.")
    # The trainer numbers "##x" pieces in the order of a randomly seeded hash map, and uses the numbers to break ties
    # between merges. We pass these pieces as special tokens, in sorted order, so their numbers are fixed, and the same
    # text always gives the same vocabulary.
    continuations = sorted({f"##{character}" for word in word_counts for character in word[1:]})
    trainer.train_from_iterator(
        # a single character is never merged, so its count does not matter
        (word for word, count in sorted(word_counts.items()) for word in repeat(word, count if len(word) > 1 else 1)),
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        limit_alphabet=sys.maxunicode,  # no limit; the check below reports the size that is needed
        special_tokens=[*SPECIAL_TOKENS, *continuations],
        show_progress=False,
    )
    ids = trainer.get_vocab()
    tokens = tuple(sorted(ids, key=ids.__getitem__))
    if len(tokens) > vocab_size:
        raise DataError(
            f"`vocab_size` must be at least {len(tokens)} for this corpus (its characters alone need that "
            f"many), but is {vocab_size}."
        )
    return Vocab(tokens=tokens, sha256=hashlib.sha256(_encode(tokens)).hexdigest())


def _count_words(sentences: Iterable[str], tokenizer: BertWordPieceTokenizer) -> Counter[str]:
    """Count the words of BERT's pre-tokenizer; every Chinese character is a word."""
    counts: Counter[str] = Counter()
    for sentence in sentences:
        normalized = tokenizer.normalizer.normalize_str(sentence)
        counts.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalized))
    return counts
