"""Propose words for a vocabulary: frequent words of a corpus that it cuts into many pieces, or that are [UNK]."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import Iterable, Iterator

from ..corpus.segment import Segmenter, segment
from ..errors import ConfigError
from .added_words import EntryMaker
from .vocab import Vocab
from .wordpiece import WordPieceTokenizer

SENTENCES_PER_CALL = 1000


@dataclass(frozen=True, kw_only=True)
class ProposedWord:
    """A word, its count in the corpus, and the pieces into which it is cut."""

    word: str
    count: int
    pieces: tuple[str, ...]

    @property
    def num_saved(self) -> int:
        """The number of pieces that the word would save in the corpus.

        A word of one piece, [UNK], counts as if it saved one.
        """
        return self.count * max(1, len(self.pieces) - 1)


@dataclass(frozen=True, kw_only=True)
class Proposals:
    """The proposed words, and how many others were left out.

    Attributes:
        words: the words that save most pieces first.
        num_words, num_different: all words of the corpus, and the different ones among them.
        num_rare: different words below the minimum count.
        num_short: different words of too few pieces, without [UNK].
        num_mixed: different words that cannot be one entry.
        num_beyond: different words beyond the maximum number.
    """

    words: tuple[ProposedWord, ...]
    num_words: int
    num_different: int
    num_rare: int
    num_short: int
    num_mixed: int
    num_beyond: int


def propose_words(
    sentences: Iterable[str],
    *,
    vocab: Vocab,
    segmenter: Segmenter,
    do_lower_case: bool = True,
    max_words: int = 1000,
    min_frequency: int = 10,
    min_pieces: int = 3,
) -> Proposals:
    """Return frequent words of many pieces or with [UNK].

    Args:
        max_words: the maximum number of words.
        min_frequency: the minimum count of a word.
        min_pieces: the minimum number of pieces; words with [UNK] need not have so many.

    Raises:
        ConfigError: a number is below 1.
    """
    for name, value in (("max_words", max_words), ("min_frequency", min_frequency), ("min_pieces", min_pieces)):
        if value < 1:
            raise ConfigError(f"`{name}` must be at least 1, but is {value}.")
    counts: Counter[str] = Counter()
    for part in _parts(iter(sentences)):
        for sentence in segment(segmenter, part):
            counts.update(word for text in sentence.words if (word := text.strip()))
    frequent = {word: count for word, count in counts.items() if count >= min_frequency}
    maker, entries, num_mixed = EntryMaker(do_lower_case=do_lower_case), Counter[str](), 0
    for word, count in frequent.items():
        entry = maker.entry_of(word)
        num_mixed += entry is None
        if entry is not None:
            entries[entry] += count
    tokenizer = WordPieceTokenizer(vocab=vocab, do_lower_case=do_lower_case)
    names = list(entries)
    found = [
        ProposedWord(word=name, count=entries[name], pieces=tuple(vocab.tokens[one] for one in ids))
        for name, (ids, _) in zip(names, tokenizer.encode_each(names))
        if len(ids) >= min_pieces or vocab.unk_id in ids
    ]
    found.sort(key=lambda word: (-word.num_saved, word.word))
    return Proposals(
        words=tuple(found[:max_words]),
        num_words=counts.total(),
        num_different=len(counts),
        num_rare=len(counts) - len(frequent),
        num_short=len(names) - len(found),
        num_mixed=num_mixed,
        num_beyond=max(0, len(found) - max_words),
    )


def _parts(sentences: Iterator[str]) -> Iterator[list[str]]:
    while part := list(islice(sentences, SENTENCES_PER_CALL)):
        yield part
