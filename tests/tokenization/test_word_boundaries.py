"""Which piece starts a word, by character offsets alone."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paddle_wwm.tokenization.word_boundaries import num_pieces_across_words, word_starts
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer


def starts_of(piece_spans, word_spans):
    """The word starts as zeros and ones."""
    return word_starts(piece_spans=piece_spans, word_spans=word_spans).astype(int).tolist()


def spans_covering(lengths):
    """Spans of those lengths, one after the other."""
    ends = list(accumulate(lengths))
    return list(zip([0, *ends], ends))


@pytest.fixture(scope="module")
def starts_in(mini_vocab, sentence_of):
    """A function from words to the word starts of the pieces that their text has."""
    tokenizer = WordPieceTokenizer(vocab=mini_vocab)

    def run(words):
        sentence = sentence_of(words)
        [(_, piece_spans)] = tokenizer.encode([sentence.text])
        return starts_of(piece_spans, sentence.word_spans)

    return run


def test_the_running_example_has_its_eleven_words_of_eighteen_pieces(starts_in, seed_words):
    assert starts_in(seed_words) == [1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("words", "starts"),
    [
        ("使用|语言", [1, 0, 1, 0]),
        ("使用| |语言", [1, 0, 1, 0]),
        ("使用 |语言", [1, 0, 1, 0]),
        ("使用| 语言", [1, 0, 1, 0]),
        ("使 用|语言", [1, 0, 1, 0]),
        (" 使用|\u3000\u3000|语言 ", [1, 0, 1, 0]),
        ("使\u200b用|\u0000语言", [1, 0, 1, 0]),
        ("the| |probability", [1, 1, 0, 0]),
        ("the probability", [1, 0, 0, 0]),
    ],
)
def test_spaces_and_removed_characters_between_pieces_hide_no_boundary(starts_in, words, starts):
    assert starts_in(words.split("|")) == starts


@pytest.mark.parametrize(
    ("words", "starts"),
    [("pr|obability", [1, 0, 0]), ("p|r|o|b|a|b|i|l|i|t|y", [1, 1, 1]), ("pro|bability", [1, 1, 0]), ("的pr|oba|bility。", [1, 0, 0, 1, 0])],
)
def test_a_boundary_inside_a_piece_ties_the_words_on_both_sides_together(starts_in, words, starts):
    assert starts_in(words.split("|")) == starts


def test_the_first_piece_starts_a_word_and_no_pieces_start_none():
    assert starts_of([(3, 4), (4, 5)], [(0, 5)]) == [1, 0]
    assert starts_of([], [(0, 5)]) == starts_of([], []) == []


def test_pieces_that_share_a_span_start_one_word_together():
    assert starts_of([(0, 1), (1, 2), (1, 2), (2, 3)], [(0, 1), (1, 2), (2, 3)]) == [1, 1, 0, 1]


@st.composite
def pieces_and_words(draw):
    """Pieces with gaps before, between and after them, and words that cover the text."""
    gaps_and_lengths = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=12))
    piece_spans, position = [], 0
    for gap, length in gaps_and_lengths:
        piece_spans.append((position + gap, position + gap + length))
        position += gap + length
    length = position + draw(st.integers(0 if piece_spans else 1, 3))
    inner = draw(st.sets(st.integers(1, length - 1), max_size=length)) if length > 1 else set()
    cuts = [0, *sorted(inner), length]
    return piece_spans, list(zip(cuts, cuts[1:]))


@given(pieces_and_words())
@example(([(0, 1), (1, 2)], spans_covering([1, 1])))
def test_a_piece_starts_a_word_exactly_where_a_boundary_says_so(spans):
    piece_spans, word_spans = spans
    boundaries = {start for start, _ in word_spans}
    between = [
        any(previous_end <= boundary <= start for boundary in boundaries) for (_, previous_end), (start, _) in zip(piece_spans, piece_spans[1:])
    ]
    found = word_starts(piece_spans=piece_spans, word_spans=word_spans)
    assert found.dtype == np.bool_
    assert found.tolist() == [True, *between][: len(piece_spans)]


@given(pieces_and_words())
def test_pieces_across_words_are_those_with_a_boundary_in_their_inside(spans):
    piece_spans, word_spans = spans
    across = [any(start < boundary < end for boundary, _ in word_spans) for start, end in piece_spans]
    assert num_pieces_across_words(piece_spans=piece_spans, word_spans=word_spans) == sum(across)
