"""Sentence pairs for next-sentence prediction, and their truncation."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, cycle, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.config import DataConfig
from paddle_wwm.errors import DataError
from paddle_wwm.pretraining_data.examples import build_index
from paddle_wwm.pretraining_data.segments import truncate_pair

from .builders import word_starts_of

properties = settings(deadline=None, derandomize=True, max_examples=60)
sentences = st.lists(st.one_of(st.integers(1, 4), st.integers(1, 40)), min_size=1, max_size=10)
corpora = st.lists(st.lists(sentences, min_size=1, max_size=8), min_size=2, max_size=5)
EVEN = [[2, 2]]  # a sentence of four tokens; examples of 27 tokens hold six of them exactly


def pairs_of(shards, *, max_seq_length, documents=None, short_seq_prob=0.0, seed=42):
    """Return the pairs and the report.

    A pair is (label, (a_start, a_end), (b_start, b_end)) in the tokens of the shard set.
    """
    report: Counter = Counter()
    index = build_index(
        shards,
        documents=np.arange(shards.num_documents) if documents is None else np.asarray(documents),
        data=DataConfig(short_seq_prob=short_seq_prob),
        max_seq_length=max_seq_length,
        seed=seed,
        report=report,
    )
    rows = [tuple(int(row[name]) for name in row.dtype.names[:5]) for row in index]
    return [(label, (a, a + a_length), (b, b + b_length)) for a, b, a_length, b_length, label in rows], report


def document_numbers(shards):
    """Return the document number of every token of the set."""
    return np.concatenate(
        [np.full(len(shards.document(number)[1].input_ids), number) for number in range(shards.num_documents)]
    )


class Sides:
    """Given draws for truncate_pair.

    A draw below 0.5 cuts the front, any other draw cuts the back.
    """

    def __init__(self, *draws: float) -> None:
        self._draws = cycle(draws)

    def unit(self) -> float:
        return next(self._draws)


FRONT, BACK = 0.0, 0.9


# ---- Pairs
# ----------------------------------------------------------------------------------------------------------------------


@given(
    corpus=corpora,
    max_seq_length=st.integers(8, 40),
    short_seq_prob=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**32),
)
@properties
def test_pairs_fit_and_only_random_pairs_are_from_two_documents(
    shards_of, corpus, max_seq_length, short_seq_prob, seed
):
    shards = shards_of(corpus, max_tokens_per_shard=50)
    pairs, report = pairs_of(shards, max_seq_length=max_seq_length, short_seq_prob=short_seq_prob, seed=seed)
    document = document_numbers(shards)
    for label, a, b in pairs:
        assert a[0] < a[1] and b[0] < b[1]
        assert a[1] - a[0] + b[1] - b[0] + 3 <= max_seq_length
        # neither segment crosses documents
        assert document[a[0]] == document[a[1] - 1] and document[b[0]] == document[b[1] - 1]
        assert label == int(document[a[0]] != document[b[0]])
        assert label or a[1] <= b[0]
    labels = [label for label, _, _ in pairs]
    assert labels.count(1) == report["pairs_random"] + report["pairs_random_forced"]
    assert labels.count(0) == report["pairs_next"]


def test_a_true_second_segment_follows_the_first_directly(shards_of):
    shards = shards_of([EVEN * 60] * 10)
    pairs, _ = pairs_of(shards, max_seq_length=27)
    followers = [(a, b) for label, a, b in pairs if label == 0]
    assert len(followers) > 50
    assert all(a[1] == b[0] for a, b in followers)
    assert {(a[1] - a[0]) // 4 for a, _ in followers} == {1, 2, 3, 4, 5}


def test_without_cuts_every_sentence_is_used_once_not_counting_random_segments(shards_of):
    shards = shards_of([EVEN * 60] * 10)
    pairs, _ = pairs_of(shards, max_seq_length=27)
    used = [position for label, a, b in pairs for span in ((a,) if label else (a, b)) for position in range(*span)]
    assert sorted(used) == list(range(shards.manifest.num_tokens))


def test_half_of_the_pairs_are_random_if_both_kinds_are_possible(shards_of):
    shards = shards_of([EVEN * 61] * 100)
    pairs, report = pairs_of(shards, max_seq_length=27)
    possible = report["pairs_random"] + report["pairs_next"]
    assert possible > 1000
    assert abs(report["pairs_random"] - possible / 2) < 5 * np.sqrt(possible / 4)
    # a single last sentence can only have a random second segment
    assert 0 < report["pairs_random_forced"] <= 100
    assert len(pairs) == possible + report["pairs_random_forced"]


def test_random_segments_come_from_all_other_documents_equally_often(shards_of):
    shards = shards_of([EVEN * 60] * 6)
    document = document_numbers(shards)
    drawn = Counter()
    for seed in range(40):
        drawn.update(
            (document[a[0]], document[b[0]])
            for label, a, b in pairs_of(shards, max_seq_length=27, seed=seed)[0]
            if label
        )
    assert set(drawn) == {(one, other) for one, other in product(range(6), repeat=2) if one != other}
    mean = drawn.total() / 30
    assert all(abs(count - mean) < 5 * np.sqrt(mean) for count in drawn.values())


def test_random_segments_come_only_from_the_requested_documents(shards_of):
    shards = shards_of([EVEN * 20] * 6)
    document = document_numbers(shards)
    pairs, _ = pairs_of(shards, max_seq_length=27, documents=[1, 3, 4])
    assert {document[a[0]] for _, a, _ in pairs} == {document[b[0]] for _, _, b in pairs} == {1, 3, 4}


def test_a_single_document_has_only_true_pairs(shards_of):
    shards = shards_of([EVEN * 61, EVEN])
    pairs, report = pairs_of(shards, max_seq_length=27, documents=[0])
    assert {label for label, _, _ in pairs} == {0}
    assert report == {"pairs_next": len(pairs)}
    assert [a[0] for _, a, _ in pairs] == list(range(0, 61 * 4, 24))


def test_documents_of_one_sentence_have_forced_random_pairs(shards_of):
    shards = shards_of([[[2, 3]]] * 5)
    pairs, report = pairs_of(shards, max_seq_length=27)
    assert [(label, a) for label, a, _ in pairs] == [(1, (start, start + 5)) for start in range(0, 25, 5)]
    assert report == {"pairs_random_forced": 5}


@pytest.mark.parametrize(
    ("words", "cut"), [([2, 2], 2), ([1, 2, 1], 1), ([1, 1, 1], 2), ([6, 2], 6), ([2, 6], 2), ([5], 3), ([1, 7, 1], 1)]
)
def test_a_single_sentence_is_halved_at_a_word_start_if_it_has_one(shards_of, words, cut):
    pairs, report = pairs_of(shards_of([[words]]), max_seq_length=27)
    assert pairs == [(0, (0, cut), (cut, sum(words)))]
    assert report == {"pairs_next": 1}


def test_a_single_token_makes_no_pair(shards_of):
    with pytest.raises(DataError, match="no example could be made from 1 document"):
        pairs_of(shards_of([[[1]]]), max_seq_length=27)


def test_long_sentences_are_split_not_dropped(shards_of):
    shards = shards_of([[[3] * 100]] * 2)
    pairs, report = pairs_of(shards, max_seq_length=27)
    assert report["sentences_split"] == 2
    firsts = sorted(position for _, a, _ in pairs for position in range(*a))
    assert all(start % 3 == 0 for _, a, b in pairs for start in (a[0], b[0]))
    assert len(set(firsts)) == len(firsts)


# ---- Truncation
# ----------------------------------------------------------------------------------------------------------------------


def truncate(a_words, b_words, *, max_tokens, draws):
    a, b = truncate_pair(
        (0, sum(a_words)),
        (0, sum(b_words)),
        a_starts=word_starts_of(a_words),
        b_starts=word_starts_of(b_words),
        max_tokens=max_tokens,
        rng=Sides(*draws),
    )
    return a, b


def edges(words):
    return {0, *accumulate(words)}


segments = st.lists(st.integers(1, 6), min_size=1, max_size=20)
draws = st.lists(st.sampled_from([FRONT, BACK]), min_size=1, max_size=8)


@given(a_words=segments, b_words=segments, max_tokens=st.integers(24, 60), draws=draws)
@properties
def test_segments_of_words_that_fit_keep_whole_words_at_their_edges(a_words, b_words, max_tokens, draws):
    a, b = truncate(a_words, b_words, max_tokens=max_tokens, draws=draws)
    assert a[1] - a[0] + b[1] - b[0] <= max_tokens
    assert set(a) <= edges(a_words) and set(b) <= edges(b_words)


@given(
    a_words=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    b_words=segments,
    max_tokens=st.integers(5, 40),
    draws=draws,
)
@properties
def test_a_word_is_cut_only_if_no_other_word_is_left(a_words, b_words, max_tokens, draws):
    for words, (start, end) in zip((a_words, b_words), truncate(a_words, b_words, max_tokens=max_tokens, draws=draws)):
        assert 0 <= start < end <= sum(words)
        inside_one_word = not any(start < edge < end for edge in edges(words))
        assert {start, end} <= edges(words) or inside_one_word


@pytest.mark.parametrize("side", [FRONT, BACK])
@pytest.mark.parametrize(("words", "kept"), [([2, 8], (0, 2)), ([8, 2], (8, 10)), ([9, 1], (9, 10)), ([1, 9], (0, 1))])
def test_a_long_word_is_removed_completely_if_a_whole_word_is_left(side, words, kept):
    assert truncate(words, [7], max_tokens=14, draws=[side]) == (kept, (0, 7))


@pytest.mark.parametrize(("side", "kept"), [(FRONT, (3, 10)), (BACK, (0, 7))])
def test_a_segment_of_a_single_word_is_cut_inside_it(side, kept):
    assert truncate([10], [7], max_tokens=14, draws=[side]) == (kept, (0, 7))


def test_the_longer_segment_is_shortened_by_whole_words_and_no_more_than_needed():
    assert truncate([2] * 10, [2] * 3, max_tokens=16, draws=[FRONT]) == ((10, 20), (0, 6))
    assert truncate([2] * 10, [2] * 3, max_tokens=16, draws=[BACK]) == ((0, 10), (0, 6))
    assert truncate([2] * 3, [2] * 10, max_tokens=16, draws=[FRONT]) == ((0, 6), (10, 20))


def test_segments_that_fit_stay_unchanged():
    assert truncate([2] * 5, [3] * 4, max_tokens=22, draws=[FRONT]) == ((0, 10), (0, 12))


@given(draws=draws)
@properties
def test_two_long_segments_are_cut_to_similar_lengths(draws):
    a, b = truncate([2] * 60, [2] * 40, max_tokens=60, draws=draws)
    assert 58 <= a[1] - a[0] + b[1] - b[0] <= 60
    assert abs((a[1] - a[0]) - (b[1] - b[0])) <= 4
