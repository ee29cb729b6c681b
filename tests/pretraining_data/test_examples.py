"""Make examples of documents: full sentences, the shape of an example, and the held-out split.

Pairs are in test_sentence_pairs.py.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.config import DataConfig, SentencePairing
from paddle_wwm.errors import DataError
from paddle_wwm.pretraining_data.examples import build_index, make_example, split_documents
from paddle_wwm.pretraining_data.segments import INDEX_ROW, NO_PAIR, last_word_start

from .builders import CLS_ID, FIRST_ID, SEP_ID, document_of, documents_of, numbered_vocab

properties = settings(deadline=None, derandomize=True, max_examples=60)
sentences = st.lists(st.one_of(st.integers(1, 4), st.integers(1, 40)), min_size=1, max_size=10)
corpora = st.lists(st.lists(sentences, min_size=1, max_size=8), min_size=1, max_size=5)


def index_of(
    shards,
    *,
    max_seq_length,
    documents=None,
    short_seq_prob=0.0,
    seed=42,
    report=None,
    pairing=SentencePairing.FULL_SENTENCES,
):
    return build_index(
        shards,
        documents=np.arange(shards.num_documents) if documents is None else np.asarray(documents),
        data=DataConfig(pairing=pairing, short_seq_prob=short_seq_prob),
        max_seq_length=max_seq_length,
        seed=seed,
        report=Counter() if report is None else report,
    )


def spans_of(index):
    """Return the first segments as (start, end) in the tokens of the shard set."""
    return [(int(row["first_start"]), int(row["first_start"]) + int(row["first_length"])) for row in index]


def boundaries_of(shards):
    """Return the positions where documents, sentences and words begin or end."""
    documents, sentence_ends, words = {0}, {0}, set()
    for number in range(shards.num_documents):
        base, document = shards.document(number)
        documents.add(base + len(document.input_ids))
        sentence_ends |= {base + offset for offset in document.sentence_offsets.tolist()}
        words |= {base + start for start in np.flatnonzero(document.word_starts).tolist()}
    return documents, sentence_ends, words | documents


# ---- Full sentences
# ----------------------------------------------------------------------------------------------------------------------


@given(corpus=corpora, max_seq_length=st.integers(8, 40), short_seq_prob=st.sampled_from([0.0, 0.5, 1.0]))
@properties
def test_every_token_is_in_one_full_sentence_example_and_no_example_crosses_documents(
    shards_of, corpus, max_seq_length, short_seq_prob
):
    shards = shards_of(corpus, max_tokens_per_shard=50)
    spans = spans_of(index_of(shards, max_seq_length=max_seq_length, short_seq_prob=short_seq_prob))
    documents, _, _ = boundaries_of(shards)
    assert spans[0][0] == 0 and spans[-1][1] == shards.manifest.num_tokens
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert all(0 < end - start <= max_seq_length - 2 for start, end in spans)
    assert documents <= {0} | {end for _, end in spans}


@given(corpus=corpora, max_seq_length=st.integers(8, 40))
@properties
def test_full_sentence_examples_end_between_sentences_and_long_sentences_are_split_at_word_starts(
    shards_of, corpus, max_seq_length
):
    shards, report = shards_of(corpus), Counter()
    spans = spans_of(index_of(shards, max_seq_length=max_seq_length, report=report))
    _, sentence_ends, words = boundaries_of(shards)
    lengths = [sum(sentence) for document in corpus for sentence in document]
    too_long = [length > max_seq_length - 2 for length in lengths]
    assert report["sentences_split"] == sum(too_long)
    ends = np.cumsum(lengths)
    for start, _ in spans:
        sentence = int(np.searchsorted(ends, start, side="right"))
        assert start in sentence_ends or too_long[sentence]
        # only a word that is longer than an example is cut
        assert (
            start in words
            or max(word for document in corpus for words_ in document for word in words_) > max_seq_length - 2
        )


@given(corpus=corpora, max_seq_length=st.integers(8, 40))
@properties
def test_full_sentence_examples_hold_as_many_sentences_as_fit(shards_of, corpus, max_seq_length):
    limit = max_seq_length - 2
    shards = shards_of(corpus)
    spans = spans_of(index_of(shards, max_seq_length=max_seq_length))
    documents, sentence_ends, _ = boundaries_of(shards)
    for before, after in pairwise(spans):
        next_end = min(end for end in sentence_ends if end > after[0])
        if after[0] not in documents and after[0] in sentence_ends and next_end - after[0] <= limit:
            assert next_end - before[0] > limit


def test_a_long_sentence_is_split_at_the_last_word_start_that_fits(shards_of):
    shards = shards_of([[[4, 4, 4], [9, 3, 2], [1]]])
    assert spans_of(index_of(shards, max_seq_length=12)) == [(0, 8), (8, 12), (12, 21), (21, 27)]


def test_a_word_longer_than_an_example_is_split_and_no_piece_is_lost(shards_of):
    shards = shards_of([[[25]]])
    index = index_of(shards, max_seq_length=12)
    assert spans_of(index) == [(0, 10), (10, 20), (20, 25)]
    # each part is a word then
    assert [make_example(shards, row, vocab=numbered_vocab()).word_starts.sum() for row in index] == [1, 1, 1]


def test_only_the_requested_documents_are_used(shards_of):
    shards = shards_of([[[5]], [[6]], [[7]], [[8]]])
    assert spans_of(index_of(shards, max_seq_length=20, documents=[1, 3])) == [(5, 11), (18, 26)]


def test_short_examples_are_as_frequent_as_short_seq_prob(shards_of):
    shards = shards_of([[[1]] * 400] * 30)
    lengths = index_of(shards, max_seq_length=42, short_seq_prob=0.1)["first_length"]
    full = lengths == 40
    # the last example of a document is short anyway
    assert 0.85 < (full.sum() + 30) / len(lengths) < 0.97
    assert lengths[~full].min() >= 1 and len(set(lengths[~full].tolist())) > 15
    assert set(index_of(shards, max_seq_length=42)["first_length"].tolist()) == {40}


@pytest.mark.parametrize("pairing", SentencePairing)
def test_the_same_seed_gives_the_same_index_and_another_seed_another(shards_of, pairing):
    shards = shards_of([[[1, 2, 3]] * 50] * 4)
    options = {"max_seq_length": 30, "short_seq_prob": 0.3, "pairing": pairing}
    one, again, other = (index_of(shards, seed=seed, **options) for seed in (1, 1, 2))
    assert one.dtype == INDEX_ROW
    assert one.tobytes() == again.tobytes() != other.tobytes()


def test_the_shard_size_does_not_change_the_examples(shards_of):
    corpus = [[[1, 2, 3], [2, 2]] * 10] * 4
    one, many = (index_of(shards_of(corpus, max_tokens_per_shard=size), max_seq_length=30) for size in (10_000, 50))
    assert one.tobytes() == many.tobytes()


@pytest.mark.parametrize(("start", "limit", "cut"), [(0, 5, 4), (0, 4, 4), (0, 3, 2), (4, 8, 8), (4, 7, 7), (5, 8, 8)])
def test_the_last_word_start_within_a_limit(start, limit, cut):
    starts = np.array([1, 0, 1, 0, 1, 0, 0, 0, 1, 0], bool)
    assert last_word_start(starts, start=start, limit=limit) == cut


# ---- The shape of an example
# -----------------------------------------------------------------------------------------------------------------


def row_of(*, first: tuple[int, int], second: tuple[int, int] = (0, 0), label: int):
    return np.array((*first[:1], *second[:1], first[1], second[1], label, b""), INDEX_ROW)[()]


def test_one_segment_is_cls_a_sep(shards_of):
    shards = shards_of([[[2, 1], [3]]])
    example = make_example(shards, row_of(first=(0, 6), label=NO_PAIR), vocab=numbered_vocab())
    assert example.input_ids.tolist() == [CLS_ID, *range(FIRST_ID, FIRST_ID + 6), SEP_ID]
    assert example.token_type_ids.tolist() == [0] * 8
    assert example.word_starts.tolist() == [False, True, False, True, True, False, False, False]
    assert example.special_tokens_mask.tolist() == [True] + [False] * 6 + [True]
    assert example.next_sentence_label == NO_PAIR


def test_two_segments_are_cls_a_sep_b_sep_from_anywhere_in_the_set(shards_of):
    shards = shards_of([[[1, 1]] * 5, [[2, 3]] * 5], max_tokens_per_shard=10)
    example = make_example(shards, row_of(first=(15, 5), second=(2, 2), label=1), vocab=numbered_vocab())
    a, b = range(FIRST_ID + 15, FIRST_ID + 20), range(FIRST_ID + 2, FIRST_ID + 4)
    assert example.input_ids.tolist() == [CLS_ID, *a, SEP_ID, *b, SEP_ID]
    assert example.token_type_ids.tolist() == [0] * 7 + [1] * 3
    assert example.word_starts.astype(int).tolist() == [0, 1, 0, 1, 0, 0, 0, 1, 1, 0]
    assert example.special_tokens_mask.astype(int).tolist() == [1, 0, 0, 0, 0, 0, 1, 0, 0, 1]
    assert example.next_sentence_label == 1
    arrays = (example.input_ids, example.token_type_ids, example.word_starts, example.special_tokens_mask)
    assert [array.dtype for array in arrays] == [np.int64, np.int64, bool, bool]


# ---- Held-out documents
# ----------------------------------------------------------------------------------------------------------------------


def many_documents(count: int, *, first: int = 0):
    return [document_of([[1, 2]], first_id=FIRST_ID + 3 * number) for number in range(first, first + count)]


def test_a_document_keeps_its_side_when_documents_are_added(shards_of):
    before = split_documents(shards_of(many_documents(200)), held_out_share=0.1)
    appended = split_documents(shards_of(many_documents(300)), held_out_share=0.1)
    prepended = split_documents(shards_of(many_documents(100, first=200) + many_documents(200)), held_out_share=0.1)
    assert [number for number in appended.held_out.tolist() if number < 200] == before.held_out.tolist()
    assert [number - 100 for number in prepended.held_out.tolist() if number >= 100] == before.held_out.tolist()


def test_copies_of_a_document_are_on_the_same_side(shards_of):
    split = split_documents(shards_of(many_documents(100) * 3), held_out_share=0.1)
    assert len(split.held_out) > 0
    assert {number % 100 for number in split.held_out.tolist()}.isdisjoint(
        number % 100 for number in split.train.tolist()
    )


def test_about_the_requested_share_is_held_out(shards_of):
    shards = shards_of(many_documents(2000))
    for share in (0.02, 0.1, 0.5):
        assert abs(len(split_documents(shards, held_out_share=share).held_out) - 2000 * share) < 5 * np.sqrt(
            2000 * share * (1 - share)
        )


@given(count=st.integers(2, 12), share=st.sampled_from([1e-9, 0.02, 0.5, 0.999999]))
@properties
def test_both_sides_have_documents_and_together_have_all(shards_of, count, share):
    split = split_documents(shards_of(many_documents(count)), held_out_share=share)
    assert len(split.train) and len(split.held_out)
    assert sorted([*split.train.tolist(), *split.held_out.tolist()]) == list(range(count))


@pytest.mark.parametrize(("copies", "message"), [(1, "only one document"), (3, "all documents are the same")])
def test_a_corpus_that_cannot_be_split_is_refused(shards_of, copies, message):
    with pytest.raises(DataError, match=message):
        split_documents(shards_of(documents_of([[[5]]]) * copies), held_out_share=0.1)
