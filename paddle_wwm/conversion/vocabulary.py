"""Find the vocabulary of a source: vocab.txt or tokenizer.json, added tokens, and names for padding rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Mapping

from ..errors import CheckpointError
from ..files import read_json
from ..model.folder import ADDED_TOKENS_KEY, TOKENIZER_CONFIG_NAME, VOCAB_NAME
from ..model_config import SERIES_VOCAB_SIZE
from ..tokenization.added_words import is_chinese_word
from ..tokenization.vocab import SPECIAL_TOKENS, Vocab, load_vocab, vocab_of

TOKENIZER_NAME, ADDED_TOKENS_NAME = "tokenizer.json", "added_tokens.json"
PADDED_TO = (8, 16, 32, 64, 128)  # multiples to which trainers round the number of embeddings up
DEFAULT_FLAGS = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": True, "special": False}
MAX_FILE_BYTES = 100 << 20
MAX_TOLD = 8


@dataclass(frozen=True, kw_only=True)
class AddedToken:
    """A token that was added to a vocabulary, and how a tokenizer finds it in text.

    Args:
        flags: values of `FLAGS`, as transformers stores them.
    """

    id: int
    flags: Mapping[str, bool]


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The vocabulary of a model: one token for each row of the word embeddings.

    Args:
        added: the tokens that were added to the vocabulary after pretraining, in the order of their ids.
        is_lower_case: whether tokenizer.json lowers the case of text; None if it does not state it or does not exist.
        notes: what was added or named, one sentence each.
    """

    vocab: Vocab
    added: Mapping[str, AddedToken]
    is_lower_case: bool | None
    notes: tuple[str, ...]


def read_vocabulary(folder: Path, *, given: Path | None, num_embeddings: int) -> Vocabulary | None:
    """Read the vocabulary of the model in `folder`; None if it has none.

    Added tokens are appended at their ids. If the embeddings were padded to a multiple of 8 … 128, the rows without a
    token are named [unusedN].

    Args:
        given: a vocab.txt to use instead of that of the folder.
        num_embeddings: the number of rows of the word embeddings.

    Raises:
        CheckpointError: `given` does not exist, two files contradict each other, or the vocabulary does not fit the
            embeddings.
        DataError: vocab.txt breaks a rule.
    """
    if given is not None and not given.exists():
        raise CheckpointError(f"{given}: no such vocabulary.")
    path = given or folder / VOCAB_NAME
    stated = _read_tokenizer(path if path.suffix == ".json" else path.parent / TOKENIZER_NAME)
    if path.exists() and path.suffix != ".json":
        vocab = load_vocab(path)
        if given is None and stated.tokens and stated.tokens[: len(vocab)] != vocab.tokens[: len(stated.tokens)]:
            place = next(i for i, (one, other) in enumerate(zip(stated.tokens, vocab.tokens)) if one != other)
            raise CheckpointError(
                f"{path}: the token {place} is {vocab.tokens[place]!r}, but {stated.tokens[place]!r} in "
                f"{TOKENIZER_NAME}; pass the right vocabulary with --vocab."
            )
    elif stated.tokens:
        path = path if path.suffix == ".json" else path.parent / TOKENIZER_NAME
        vocab = vocab_of(stated.tokens, source=path)
    else:
        return None
    tokens, added, notes = list(vocab.tokens), dict[str, AddedToken](), list[str]()
    for token, index, flags, file in sorted(_added_tokens(path.parent, stated, vocab.ids), key=lambda item: item[1]):
        _add(token, index, tokens=tokens, file=file, num_embeddings=num_embeddings)
        if token not in SPECIAL_TOKENS and (flags or token not in added):
            added[token] = AddedToken(id=index, flags=DEFAULT_FLAGS | flags)
    if new := [token for token in tokens[len(vocab) :] if token in added]:
        gaps = len(tokens) - len(vocab) - len(new)
        notes.append(
            f"Added tokens were appended to the vocabulary: {', '.join(new[:MAX_TOLD])}"
            f"{f' and {len(new) - MAX_TOLD} more' if new[MAX_TOLD:] else ''}"
            f"{f' ({gaps} ids before them have no token; they are named [unusedN])' if gaps else ''}. PaddleNLP and "
            "transformers find them in text; the tokenizer of this package finds the Chinese words among them, and "
            "Google's none."
        )
    for index, token in enumerate(tokens):  # the tokenizer of this package finds these, so all others must
        if token not in added and is_chinese_word(token):
            added[token] = AddedToken(id=index, flags=DEFAULT_FLAGS | {"normalized": False})
    if num_rows := _num_padding_rows(len(tokens), num_embeddings, path=path, is_own=given is None):
        names = list(_unused(tokens, count=num_rows))
        tokens += names
        notes.append(
            f"The word embeddings have {num_rows} rows more than the vocabulary of {len(tokens) - num_rows:,} entries, "
            f"as if padded to a multiple of {max(size for size in PADDED_TO if num_embeddings % size == 0)}: these "
            f"rows are named {names[0]}{f' to {names[-1]}' if names[1:] else ''}."
        )
    added = dict(sorted(added.items(), key=lambda item: item[1].id))
    return Vocabulary(
        vocab=vocab_of(tokens, source=path), added=added, is_lower_case=stated.is_lower_case, notes=tuple(notes)
    )


def _num_padding_rows(num_tokens: int, num_embeddings: int, *, path: Path, is_own: bool) -> int:
    """Return the number of rows without a token.

    Args:
        is_own: whether the vocabulary is that of the model's folder. Another file must fit exactly, because a file with
            a few lost lines looks like padding.

    Raises:
        CheckpointError: it is not that of a padding to a multiple of 8 … 128.
    """
    if num_tokens == num_embeddings:
        return 0
    is_padding = any(num_embeddings == -(-num_tokens // size) * size for size in PADDED_TO)
    if is_padding and is_own and num_embeddings != SERIES_VOCAB_SIZE:
        return num_embeddings - num_tokens
    remedy = "pass the vocabulary of these weights with --vocab"
    if is_padding and not is_own:
        remedy += ", or, if the embeddings were padded, put this one next to them as vocab.txt"
    raise CheckpointError(
        f"{path}: has {num_tokens:,} entries, but the word embeddings have {num_embeddings:,}; {remedy}."
    )


def _unused(tokens: list[str], *, count: int) -> Iterator[str]:
    numbers = [int(match[1]) for token in tokens if (match := re.fullmatch(r"\[unused(\d{1,9})\]", token))]
    first = max(numbers, default=0) + 1
    yield from (f"[unused{first + number}]" for number in range(count))


def _add(token: str, index: int, *, tokens: list[str], file: Path, num_embeddings: int) -> None:
    """Put an added token at its id.

    Ids between the vocabulary and the token are named [unusedN].
    """
    if index >= num_embeddings:
        raise CheckpointError(
            f"{file}: the token {token!r} has the id {index:,}, but the word embeddings have only "
            f"{num_embeddings:,} rows."
        )
    if index < len(tokens) and tokens[index] == token:
        return
    if index < len(tokens) or token in tokens:
        other = f"which is that of {tokens[index]!r}" if index < len(tokens) else f"not the {tokens.index(token):,}"
        raise CheckpointError(
            f"{file}: the token {token!r} has the id {index:,}, {other} in the vocabulary; correct the id, or "
            f"pass the right vocabulary with --vocab."
        )
    tokens += _unused(tokens, count=index - len(tokens))
    tokens.append(token)


@dataclass(frozen=True, kw_only=True)
class _Tokenizer:
    """What tokenizer.json states."""

    tokens: tuple[str, ...] = ()
    added: tuple[Mapping[str, Any], ...] = ()
    is_lower_case: bool | None = None


def _read_tokenizer(path: Path) -> _Tokenizer:
    if not path.exists():
        return _Tokenizer()
    values = _read(path)
    model, normalizer = values.get("model"), values.get("normalizer")
    if not isinstance(model, dict) or model.get("type", "WordPiece") != "WordPiece":
        kind = model.get("type") if isinstance(model, dict) else None
        raise CheckpointError(f"{path}: the model must be WordPiece, as that of a BERT, but is {kind!r}.")
    ids = model.get("vocab")
    if not isinstance(ids, dict) or sorted(ids.values(), key=str) != sorted(range(len(ids)), key=str):
        raise CheckpointError(f"{path}: `vocab` must give the ids 0, 1, 2, … to its tokens.")
    added = values.get("added_tokens") or []
    if not isinstance(added, list) or not all(isinstance(item, dict) for item in added):
        raise CheckpointError(f"{path}: `added_tokens` must be a list of objects.")
    lower = normalizer.get("lowercase") if isinstance(normalizer, dict) else None
    return _Tokenizer(
        tokens=tuple(sorted(ids, key=ids.__getitem__)),
        added=tuple(added),
        is_lower_case=lower if isinstance(lower, bool) else None,
    )


def _added_tokens(
    folder: Path, stated: _Tokenizer, ids: Mapping[str, int]
) -> Iterator[tuple[str, int, dict[str, bool], Path]]:
    """Yield the token, the id, the flags and the file of every added token.

    Two files can state the same token.

    Args:
        ids: the ids of vocab.txt, for tokens that a conversion of this package appended.
    """
    sources: dict[str, list[Mapping[str, Any]]] = {TOKENIZER_NAME: list(stated.added)}
    if (folder / ADDED_TOKENS_NAME).exists():
        values = _read(folder / ADDED_TOKENS_NAME)
        sources[ADDED_TOKENS_NAME] = [{"content": token, "id": index} for token, index in values.items()]
    if (folder / TOKENIZER_CONFIG_NAME).exists():
        values = _read(folder / TOKENIZER_CONFIG_NAME)
        decoder, special = values.get("added_tokens_decoder"), values.get(ADDED_TOKENS_KEY)
        sources[TOKENIZER_CONFIG_NAME] = [
            {"content": token, "id": ids[token], "special": not is_chinese_word(token), "normalized": False}
            for token in (special if isinstance(special, list) else ())
            if isinstance(token, str) and token in ids
        ]
        sources[TOKENIZER_CONFIG_NAME] += [
            {**(item if isinstance(item, dict) else {}), "id": int(index) if index.isdecimal() else None}
            for index, item in (decoder.items() if isinstance(decoder, dict) else ())
        ]
    for name, items in sources.items():
        for item in items:
            token, index = item.get("content"), item.get("id")
            if not isinstance(token, str) or not token or "\n" in token or type(index) is not int or index < 0:
                raise CheckpointError(
                    f"{folder / name}: an added token must be a text of one line with an id of at least 0, but is "
                    f"{str(token)[:40]!r} with {str(index)[:40]!r}."
                )
            flags = {flag: item[flag] for flag in DEFAULT_FLAGS if isinstance(item.get(flag), bool)}
            yield token, index, flags, folder / name


def _read(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise CheckpointError(f"{path}: has more than {MAX_FILE_BYTES:,} bytes; that of a BERT has less than 10 MB.")
    return read_json(path)
