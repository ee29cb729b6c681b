"""Build a WordPiece vocabulary as for BERT, from the counts of words (`word_counts.py`).

1. The alphabet: the characters that are frequent enough. Each is an entry, and a second one with ## if it occurs inside
   words. A word with another character becomes [UNK], so it is left out below.
2. Longer pieces, by the trainer of the `tokenizers` library, until the vocabulary is full. A piece that repeats one
   digit or sign (0000, ★★) is not an entry: its length says nothing, and every length would need an entry of its own.

The same words and counts always give the same vocabulary.
"""

from __future__ import annotations

import hashlib
import sys
import unicodedata
from dataclasses import dataclass
from itertools import repeat
from typing import Iterable, Iterator, Mapping

from ..errors import DataError
from .alphabet import Alphabet, VocabOptions, choose_alphabet
from .vocab import SPECIAL_TOKENS, UNK, Vocab, encoded
from .word_counts import WordCounter, normalized_counts

REPEATS = 1000  # of a word in one text for the trainer


@dataclass(frozen=True, kw_only=True)
class BuiltVocab:
    """A vocabulary and how it was made.

    Attributes:
        num_inside: Characters that also have an entry with ##.
        num_words: Words of the text, Chinese characters and punctuation included.
        num_unknown_words: Those with a character that was left out; they become [UNK].
        repeats: Pieces that were left out because they repeat one digit or sign.
    """

    vocab: Vocab
    alphabet: Alphabet
    num_inside: int
    num_words: int
    num_unknown_words: int
    repeats: tuple[str, ...]


def build_vocab(
    sentences: Iterable[str],
    *,
    vocab_size: int,
    do_lower_case: bool = True,
    min_frequency: int = 2,
    min_character_frequency: int | None = None,
    limit_alphabet: int | None = None,
    character_coverage: float = 1.0,
) -> Vocab:
    """Train a WordPiece vocabulary with the `tokenizers` library, as for BERT.

    Every Chinese character is a separate token. The same sentences always give the same vocabulary. Memory grows with
    the number of different words.

    Args:
        sentences: The text of the corpus.
        vocab_size: The largest number of tokens.
        do_lower_case: Convert the text to lower case and strip accents.
        min_frequency: A character or a longer piece must occur at least this often.
        min_character_frequency: The same for characters only. None: like `min_frequency`.
        limit_alphabet: The largest number of different characters. None: no limit.
        character_coverage: The share of all occurrences of characters that the alphabet must reach.

    Returns:
        The vocabulary: special tokens, characters inside words (##x), characters, longer pieces.

    Raises:
        ConfigError: An option is impossible.
        DataError: The corpus has no text, or its characters alone need more than `vocab_size` entries.

    Example:
        >>> from paddle_wwm.tokenization.vocab_building import build_vocab
        >>> build_vocab(["使用 BERT", "使用 bert"], vocab_size=20).tokens[-4:]
        ('用', 'be', '##rt', 'bert')
    """
    options = VocabOptions(
        size=vocab_size,
        do_lower_case=do_lower_case,
        min_frequency=min_frequency,
        min_character_frequency=min_character_frequency,
        limit_alphabet=limit_alphabet,
        character_coverage=character_coverage,
    )
    counter = WordCounter(do_lower_case=do_lower_case)
    counter.add(sentences)
    return vocab_of_counts(normalized_counts([counter.counts()], do_lower_case=do_lower_case), options=options).vocab


def vocab_of_counts(words: Mapping[str, int], *, options: VocabOptions) -> BuiltVocab:
    """Build a vocabulary from the counts of words.

    Raises:
        DataError: There are no words, no character is frequent enough, or the characters need more entries than there
            are.
    """
    if not words:
        raise DataError("the corpus has no text; to build a vocabulary, use a corpus with text.")
    alphabet = choose_alphabet(words, options=options)
    letters = set(alphabet.kept)
    known = {word: count for word, count in words.items() if letters.issuperset(word)}
    inside = sorted({character for word in known for character in word[1:]})
    needed = len(SPECIAL_TOKENS) + len(letters) + len(inside)
    if needed > options.size:
        raise DataError(_too_small(words, alphabet, options=options, needed=needed, num_inside=len(inside)))
    tokens, repeats = _train(known, alphabet=alphabet, inside=inside, options=options)
    return BuiltVocab(
        vocab=Vocab(tokens=tokens, sha256=hashlib.sha256(encoded(tokens)).hexdigest()),
        alphabet=alphabet,
        num_inside=len(inside),
        num_words=sum(words.values()),
        num_unknown_words=sum(words.values()) - sum(known.values()),
        repeats=repeats,
    )


def _too_small(
    words: Mapping[str, int], alphabet: Alphabet, *, options: VocabOptions, needed: int, num_inside: int
) -> str:
    """Return a message with the needed size and the largest alphabet that fits."""
    inside = {character for word in words for character in word[1:]}
    size, most = len(SPECIAL_TOKENS), 0
    for character in alphabet.kept:
        size += 1 + (character in inside)
        if size > options.size:
            break
        most += 1
    return (
        f"`vocab_size` must be at least {needed} for this corpus (its characters alone need that many: "
        f"{len(alphabet.kept)} characters, and {num_inside} entries with ## for those inside words), but is "
        f"{options.size}; raise it, or keep fewer characters: --limit-alphabet {max(most, 1)}, or a lower "
        f"--character-coverage, or a higher --min-frequency."
    )


def _train(
    words: Mapping[str, int], *, alphabet: Alphabet, inside: list[str], options: VocabOptions
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tokens, and the left-out pieces that repeat one digit or sign."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    # The trainer numbers "##x" pieces in the order of a randomly seeded hash map, and uses the numbers to break ties
    # between merges. We pass these pieces as special tokens, in sorted order, so their numbers are fixed, and the same
    # text always gives the same vocabulary.
    special_tokens = [*SPECIAL_TOKENS, *(f"##{character}" for character in inside)]
    num_extra = 0
    while True:
        tokenizer = Tokenizer(models.WordPiece(unk_token=UNK))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        trainer = trainers.WordPieceTrainer(
            vocab_size=options.size + num_extra,
            min_frequency=options.min_frequency,
            limit_alphabet=sys.maxunicode,  # it is limited already
            special_tokens=special_tokens,
            show_progress=False,
        )
        tokenizer.train_from_iterator(_texts_of(words, alphabet), trainer)
        ids = tokenizer.get_vocab()
        trained = sorted(ids, key=ids.__getitem__)
        tokens = [token for token in trained if not repeats_a_sign(token)]
        repeats = tuple(token for token in trained if repeats_a_sign(token))
        if len(tokens) >= options.size or len(trained) < options.size + num_extra:
            return tuple(tokens[: options.size]), repeats
        num_extra += 2 * (options.size - len(tokens))  # fill the places of the pieces that are left out


def _texts_of(words: Mapping[str, int], alphabet: Alphabet) -> Iterator[str]:
    """Yield texts in which the words occur as often as in the corpus."""
    yield " ".join(alphabet.kept)  # a single character is never merged, so its count does not matter
    for word, count in sorted(words.items()):
        if len(word) > 1 and not repeats_a_sign(word):
            many, rest = divmod(count, REPEATS)
            yield from repeat(" ".join([word] * REPEATS), many)
            if rest:
                yield " ".join([word] * rest)


def repeats_a_sign(token: str) -> bool:
    """Return True for a piece of two or more equal characters that are not letters.

    Example:
        >>> [repeats_a_sign(token) for token in ("0000", "##00", "★★", "2000", "aaa", "0")]
        [True, True, True, False, False, False]
    """
    text = token.removeprefix("##") if len(token) > 2 else token
    return len(text) > 1 and len(set(text)) == 1 and unicodedata.category(text[0])[0] not in "LM"
