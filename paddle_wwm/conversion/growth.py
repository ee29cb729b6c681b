"""Add words to the vocabulary of a model: new rows of the embeddings, of the decoder and of its bias.

A new row is the mean of the rows of the pieces into which the old vocabulary cuts the word. The ids of all other pieces
stay the same. With `use_unused`, the words first take over the entries [unused1], [unused2], …
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Sequence

import numpy as np

from ..errors import CheckpointError, ConfigError
from ..tokenization.added_words import EntryMaker, is_chinese_word
from ..tokenization.vocab import Vocab, vocab_of
from ..tokenization.wordpiece import WordPieceTokenizer
from ..weights.tensors import ComputedTensor, Tensor, cast, to_float32
from .opening import OpenedModel
from .vocabulary import DEFAULT_FLAGS, AddedToken

MAX_WORDS = 100_000
MAX_SHOWN = 8
FLAGS_OF_WORDS = DEFAULT_FLAGS | {"normalized": False}
_UNUSED = re.compile(r"\[unused\d{1,9}\]")
# the tensors with one row, or one value, per entry of the vocabulary
_GROWN = ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder_bias")


@dataclass(frozen=True, kw_only=True)
class _NewEntry:
    """A new entry: its token, its id, and the old pieces that its row is the mean of."""

    token: str
    id: int
    pieces: tuple[int, ...]


def with_words(model: OpenedModel, words: Sequence[str], *, use_unused: bool) -> OpenedModel:
    """Return the model with more words in its vocabulary.

    Args:
        words: Chinese words, words of letters, or single symbols. In an uncased model they are lowered.
        use_unused: take over the entries [unusedN] before the vocabulary grows.

    Raises:
        ConfigError: `words` is empty, or a tokenizer would never find one of them in text.
        CheckpointError: the model has no vocabulary.
    """
    if model.vocab is None:
        raise CheckpointError(f"{model.files[0]}: has no vocabulary, so no words can be added; pass it with --vocab.")
    if not 1 <= len(words) <= MAX_WORDS:
        raise ConfigError(f"the number of words to add must be from 1 to {MAX_WORDS:,}, but is {len(words):,}.")
    old = model.vocab
    tokenizer = WordPieceTokenizer(vocab=old, do_lower_case=model.do_lower_case)
    tokens = _checked_words(words, do_lower_case=model.do_lower_case)
    new = [token for token in dict.fromkeys(tokens) if token not in old.ids]
    cut = [ids for ids, _ in tokenizer.encode_each(new)]
    free = [index for index, token in enumerate(old.tokens) if _UNUSED.fullmatch(token)] if use_unused else []
    places = [*free[: len(new)], *range(len(old), len(old) + max(0, len(new) - len(free)))]
    entries = [_NewEntry(token=t, id=p, pieces=tuple(c)) for t, p, c in zip(new, places, cut)]
    grown = list(old.tokens) + [""] * max(0, len(new) - len(free))
    for entry in entries:
        grown[entry.id] = entry.token
    vocab = vocab_of(grown, source=model.files[0])
    _check_found(entries, vocab=vocab, do_lower_case=model.do_lower_case)
    tensors = {
        name: _grown(tensor, entries, size=len(vocab), name=name) if name in _GROWN else tensor
        for name, tensor in model.tensors.items()
    }
    added = {
        entry.token: AddedToken(id=entry.id, flags=FLAGS_OF_WORDS) for entry in entries if is_chinese_word(entry.token)
    }
    return dataclasses.replace(
        model,
        config=dataclasses.replace(model.config, vocab_size=len(vocab)),
        tensors=tensors,
        vocab=vocab,
        added_tokens=dict(sorted({**model.added_tokens, **added}.items(), key=lambda item: item[1].id)),
        notes=(*model.notes, *_notes(entries, num_words=len(words), old=old)),
    )


def _checked_words(words: Sequence[str], *, do_lower_case: bool) -> list[str]:
    """Return the words as they stand in a vocabulary.

    Raises:
        ConfigError: a word would never be one piece.
    """
    maker = EntryMaker(do_lower_case=do_lower_case)
    entries = [maker.entry_of(word) for word in words]
    wrong = [word for word, entry in zip(words, entries) if entry is None]
    if wrong:
        shown = ", ".join(repr(word[:40]) for word in wrong[:MAX_SHOWN]) + (" …" if wrong[MAX_SHOWN:] else "")
        raise ConfigError(
            f"{len(wrong)} words cannot be single entries of a vocabulary, because text is split inside of them: "
            f"{shown}. A word must be Chinese characters only, letters and digits only, or one symbol."
        )
    return [entry for entry in entries if entry is not None]


def _check_found(entries: Sequence[_NewEntry], *, vocab: Vocab, do_lower_case: bool) -> None:
    """Check that the grown vocabulary cuts every new word into one piece."""
    tokenizer = WordPieceTokenizer(vocab=vocab, do_lower_case=do_lower_case)
    cut = tokenizer.encode_each([entry.token for entry in entries])
    lost = [entry.token for entry, (ids, _) in zip(entries, cut) if ids != [entry.id]]
    if lost:
        raise ConfigError(f"the tokenizer would not find {', '.join(map(repr, lost[:MAX_SHOWN]))} in text.")


def _grown(tensor: Tensor, entries: Sequence[_NewEntry], *, size: int, name: str) -> Tensor:
    def grow(array: np.ndarray) -> np.ndarray:
        values = array if tensor.dtype == "float64" else to_float32(array, dtype=tensor.dtype)
        result = np.zeros((size, *values.shape[1:]), values.dtype)
        result[: len(values)] = values
        for entry in entries:
            result[entry.id] = values[list(entry.pieces)].mean(axis=0, dtype=np.float64)
        return result

    wide = "float64" if tensor.dtype == "float64" else "float32"
    return cast(ComputedTensor(tensor, grow, dtype=wide, shape=(size, *tensor.shape[1:])), tensor.dtype, name=name)


def _notes(entries: Sequence[_NewEntry], *, num_words: int, old: Vocab) -> tuple[str, ...]:
    taken = sum(entry.id < len(old) for entry in entries)
    notes = [
        f"Added {len(entries):,} words to the vocabulary: {len(entries) - taken:,} new entries, {taken:,} in place of "
        f"[unusedN]. {num_words - len(entries):,} of {num_words:,} words were there already, or given twice. The rows "
        "of the new words are the means of their pieces until they are trained."
    ]
    if unknown := [entry.token for entry in entries if set(entry.pieces) == {old.unk_id}]:
        shown = ", ".join(unknown[:MAX_SHOWN]) + (" …" if unknown[MAX_SHOWN:] else "")
        notes.append(f"{len(unknown):,} of them were only [UNK], so they begin with the row of [UNK]: {shown}.")
    return tuple(notes)
