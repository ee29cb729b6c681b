"""Test which pieces start a word, by character offsets only."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paddle_wwm.tokenization.tokenized import tokenize_sentence
from paddle_wwm.tokenization.word_boundaries import align
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

from .builders import flat_pieces, properties


def starts_of(piece_spans, word_lengths, *, report=None):
    """Return the word starts of the pieces of one text, as zeros and ones."""
    boundaries = np.array([start for length in word_lengths for start in (True, *[False] * (length - 1))], bool)
    pieces = flat_pieces([piece_spans], [len(boundaries)])
    return align(pieces, boundaries=boundaries, report=Counter() if report is None else report).astype(int).tolist()


def reference(piece_spans, word_lengths, report):
    """Return the word starts of one text by a slow implementation of the rule."""
    if not piece_spans:
        return []
    if any(after[0] < before[0] for before, after in zip(piece_spans, piece_spans[1:])):
        report["sentences_aligned_by_piece"] += 1
        return [True] * len(piece_spans)
    boundaries = [0, *accumulate(word_lengths)][:-1]
    report["pieces_across_words"] += sum(
        any(start < boundary < end for boundary in boundaries) for start, end in piece_spans
    )
    return [True] + [
        any(end <= boundary <= start for boundary in boundaries)
        for (_, end), (start, _) in zip(piece_spans, piece_spans[1:])
    ]


@pytest.fixture(scope="module")
def starts_in(mini_vocab, sentence_of):
    """A function that returns the word starts of the pieces for the words of a text."""
    hangul = type(mini_vocab)(tokens=(*mini_vocab.tokens, "\u1100", "##\u1161", "##\u1161\u1102", "\u1102"), sha256="")
    tokenizer = WordPieceTokenizer(vocab=hangul)
    return lambda words: (
        tokenize_sentence(sentence_of(words), tokenizer=tokenizer, report=Counter())[1].astype(int).tolist()
    )


def test_the_running_example_has_18_pieces_with_known_word_starts(starts_in, seed_words):
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
def test_a_boundary_at_a_space_or_a_removed_character_is_kept(starts_in, words, starts):
    assert starts_in(words.split("|")) == starts


@pytest.mark.parametrize(
    ("words", "starts"),
    [
        ("pr|obability", [1, 0, 0]),
        ("p|r|o|b|a|b|i|l|i|t|y", [1, 1, 1]),
        ("pro|bability", [1, 1, 0]),
        ("的pr|oba|bility。", [1, 0, 0, 1, 0]),
    ],
)
def test_a_boundary_inside_a_piece_joins_the_words_on_both_sides(starts_in, words, starts):
    assert starts_in(words.split("|")) == starts


@pytest.mark.parametrize(
    ("words", "starts"),
    [
        # the second of the three pieces stands for parts of both syllables, so it joins them
        ("\uac00|\ub098|的", [1, 0, 0, 1]),
        ("\uac00\ub098|的", [1, 0, 0, 1]),
        ("\uac00|的|\uac00", [1, 0, 1, 1, 0]),
        ("\uac00的|\uac00", [1, 0, 0, 1, 0]),
        ("\uac00| |\ub098", [1, 0, 1, 0]),
        ("\uac00 \ub098", [1, 0, 0, 0]),
    ],
)
def test_the_letters_of_a_hangul_syllable_stay_in_one_word(starts_in, words, starts):
    assert starts_in(words.split("|")) == starts


def test_the_first_piece_starts_a_word_and_no_pieces_give_no_word_starts():
    assert starts_of([(3, 4), (4, 5)], [5]) == [1, 0]
    assert starts_of([], [5]) == starts_of([], []) == []


def test_the_first_piece_of_every_text_starts_a_word_even_without_a_boundary():
    pieces = flat_pieces([[(0, 1), (1, 2)], [], [(1, 2), (2, 3)]], [2, 1, 3])
    assert align(pieces, boundaries=np.zeros(6, bool), report=Counter()).astype(int).tolist() == [1, 0, 1, 0]


def test_pieces_that_share_a_span_are_in_one_word():
    assert starts_of([(0, 1), (1, 2), (1, 2), (2, 3)], [1, 1, 1]) == [1, 1, 0, 1]


def test_only_a_text_with_decreasing_offsets_is_aligned_by_piece_and_counted():
    report = Counter()
    pieces = flat_pieces([[(0, 2)], [(0, 2), (3, 4), (1, 3)], [], [(0, 1), (1, 2)]], [2, 4, 1, 2])
    boundaries = np.array([1, 1, 1, 1, 0, 0, 1, 1, 0], bool)
    assert align(pieces, boundaries=boundaries, report=report).astype(int).tolist() == [1, 1, 1, 1, 1, 0]
    # the piece across words is in the first text; those of the second text are not counted
    assert report == {"sentences_aligned_by_piece": 1, "pieces_across_words": 1}


@st.composite
def pieces_and_words(draw):
    """Draw the spans of pieces and the lengths of words.

    There are gaps before, between and after the pieces. Some pieces share a span or a part of it.
    """
    piece_spans, position = [], 0
    for gap, length, copies, tail in draw(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(1, 3), st.booleans()), max_size=8)
    ):
        piece_spans += [(position + gap, position + gap + length)] * copies
        if tail:  # as after a piece of one and a half Hangul syllables
            piece_spans.append((position + gap + length - 1, position + gap + length))
        position += gap + length
    length = position + draw(st.integers(0, 3))
    inner = draw(st.sets(st.integers(1, length - 1))) if length > 1 else set()
    cuts = [0, *sorted(inner), *([length] if length else [])]
    if draw(st.integers(0, 9)) == 9:
        piece_spans = draw(st.permutations(piece_spans))
    return piece_spans, [after - before for before, after in zip(cuts, cuts[1:])]


@properties
@given(st.lists(pieces_and_words(), max_size=5))
@example([([(0, 1), (1, 2)], [1, 1])])
def test_random_pieces_start_words_as_the_slow_implementation_says(texts):
    report, expected_report, expected = Counter(), Counter(), []
    for spans, word_lengths in texts:
        expected += reference(spans, word_lengths, expected_report)
    pieces = flat_pieces([spans for spans, _ in texts], [sum(word_lengths) for _, word_lengths in texts])
    boundaries = np.array(
        [place == 0 for _, word_lengths in texts for length in word_lengths for place in range(length)], bool
    )
    found = align(pieces, boundaries=boundaries, report=report)
    assert found.dtype == np.bool_
    assert found.tolist() == expected
    assert +report == +expected_report
