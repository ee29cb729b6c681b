"""Batches: padding, and a global batch that does not depend on how it is cut."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.config import DataConfig, SentencePairing
from paddle_wwm.masking_config import MaskingConfig
from paddle_wwm.pretraining_data.collate import PretrainBatch, PretrainData, collate
from paddle_wwm.pretraining_data.examples import build_index
from paddle_wwm.pretraining_data.masking import MaskedExample, num_to_predict
from paddle_wwm.tokenization.vocab import IGNORED_LABEL

from .builders import example_of, numbered_vocab

PAD_ID = 0
properties = settings(deadline=None, derandomize=True, max_examples=30)


def masked_at(example, positions):
    """Return a mask that replaces the tokens at `positions` by 999."""
    ids = example.input_ids.copy()
    ids[positions] = 999
    return MaskedExample(
        input_ids=ids, masked_lm_positions=np.array(positions, np.int64), masked_lm_labels=example.input_ids[positions]
    )


def row_bytes(batch, row):
    """Return the bytes of an example and its mask, without padding."""
    length, known = batch.attention_mask[row].sum(), batch.masked_lm_labels[row] != IGNORED_LABEL
    arrays = (
        batch.input_ids[row, :length],
        batch.token_type_ids[row, :length],
        batch.masked_lm_positions[row, known],
        batch.masked_lm_labels[row, known],
    )
    label = b"" if batch.next_sentence_labels is None else batch.next_sentence_labels[row].tobytes()
    return (*(array.tobytes() for array in arrays), label)


def rows_of(batches):
    return Counter(row_bytes(batch, row) for batch in batches for row in range(len(batch.input_ids)))


def all_bytes(batch):
    labels = batch.next_sentence_labels
    arrays = (
        batch.input_ids,
        batch.token_type_ids,
        batch.attention_mask,
        batch.masked_lm_positions,
        batch.masked_lm_labels,
    )
    return [(array.shape, array.tobytes()) for array in arrays] + [None if labels is None else labels.tobytes()]


@pytest.fixture(scope="module", params=SentencePairing)
def make_data(request, shards_of, tmp_path_factory):
    """Return a function that opens the same data again, as another process would."""
    rng = np.random.default_rng(5)
    corpus = [[rng.integers(1, 5, rng.integers(1, 12)).tolist() for _ in range(rng.integers(2, 15))] for _ in range(60)]
    shards = shards_of(corpus, max_tokens_per_shard=2000)
    path = tmp_path_factory.mktemp("index") / "index.npy"
    data = DataConfig(pairing=request.param, short_seq_prob=0.1)
    np.save(path, build_index(shards, documents=np.arange(60), data=data, max_seq_length=64, seed=42, report=Counter()))
    return lambda: PretrainData(
        shards=shards, vocab=numbered_vocab(), index_path=path, masking=MaskingConfig(), seed=42
    )


def global_batch(data, *, num_ranks, micro_batch_size, first_example=0, global_batch_size=32):
    """Return the micro-batches of every rank."""
    return [
        data.micro_batches(
            first_example=first_example,
            global_batch_size=global_batch_size,
            micro_batch_size=micro_batch_size,
            rank=rank,
            num_ranks=num_ranks,
        )
        for rank in range(num_ranks)
    ]


# ---- Padding
# ----------------------------------------------------------------------------------------------------------------------


def test_a_batch_is_padded_to_its_longest_example_and_most_predictions():
    short, long = example_of([2, 1]), example_of([2], [1, 1])
    batch = collate([short, long], [masked_at(short, [3]), masked_at(long, [1, 2, 4])], pad_id=PAD_ID)
    assert batch.input_ids.tolist() == [[2, 11, 12, 999, 3, 0, 0], [2, 999, 999, 3, 999, 15, 3]]
    assert batch.token_type_ids.tolist() == [[0] * 7, [0, 0, 0, 0, 1, 1, 1]]
    assert batch.attention_mask.tolist() == [[True] * 5 + [False] * 2, [True] * 7]
    assert batch.masked_lm_positions.tolist() == [[3, 0, 0], [1, 2, 4]]
    assert batch.masked_lm_labels.tolist() == [[13, -100, -100], [11, 12, 14]]
    assert batch.next_sentence_labels.tolist() == [-1, 0]
    assert (batch.num_predictions, batch.num_tokens) == (4, 12)


def test_padding_has_the_pad_id_of_the_vocabulary():
    examples = [example_of([1]), example_of([1, 1])]
    batch = collate(examples, [masked_at(example, []) for example in examples], pad_id=7)
    assert batch.input_ids.tolist() == [[2, 11, 3, 7], [2, 11, 12, 3]]


def test_examples_without_pairs_have_no_next_sentence_labels():
    example = example_of([1, 1])
    assert collate([example], [masked_at(example, [1])], pad_id=PAD_ID).next_sentence_labels is None


def test_a_batch_without_predictions_has_one_ignored_column():
    example = example_of([8])
    batch = collate([example], [masked_at(example, [])], pad_id=PAD_ID)
    assert batch.masked_lm_positions.tolist() == [[0]]
    assert batch.masked_lm_labels.tolist() == [[IGNORED_LABEL]]
    assert batch.num_predictions == 0


def test_all_arrays_are_int64_except_the_bool_attention_mask():
    example = example_of([2], [2])
    batch = collate([example], [masked_at(example, [1])], pad_id=PAD_ID)
    arrays = (
        batch.input_ids,
        batch.token_type_ids,
        batch.masked_lm_positions,
        batch.masked_lm_labels,
        batch.next_sentence_labels,
    )
    assert {array.dtype for array in arrays} == {np.dtype(np.int64)}
    assert batch.attention_mask.dtype == bool


# ---- The global batch
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_ranks", [1, 2, 4])
@pytest.mark.parametrize("micro_batch_size", [1, 3, 4, 8, 32, 100])
def test_a_global_batch_is_the_same_for_any_number_of_ranks_and_micro_batch_size(
    make_data, num_ranks, micro_batch_size
):
    expected = rows_of(global_batch(make_data(), num_ranks=1, micro_batch_size=32)[0])
    ranks = global_batch(make_data(), num_ranks=num_ranks, micro_batch_size=micro_batch_size)
    assert expected.total() == 32
    assert sum((rows_of(batches) for batches in ranks), Counter()) == expected


def test_micro_batches_have_examples_of_similar_length(make_data):
    [batches] = global_batch(make_data(), num_ranks=1, micro_batch_size=4)
    lengths = [sorted(batch.attention_mask.sum(axis=1).tolist()) for batch in batches]
    assert all(shorter[-1] <= longer[0] for longer, shorter in zip(lengths, lengths[1:]))
    assert all(batch.input_ids.shape[1] == of_batch[-1] for batch, of_batch in zip(batches, lengths))


def test_all_ranks_get_micro_batches_of_similar_length_at_the_same_time(make_data):
    [one] = global_batch(make_data(), num_ranks=1, micro_batch_size=4)
    ranks = global_batch(make_data(), num_ranks=2, micro_batch_size=4)
    in_turns = [batch for turn in zip(*ranks) for batch in turn]
    assert list(map(all_bytes, in_turns)) == list(map(all_bytes, one))


@given(first_example=st.integers(0, 10**9), global_batch_size=st.integers(1, 40), micro_batch_size=st.integers(1, 16))
@properties
def test_the_batch_of_a_step_depends_only_on_the_step(make_data, first_example, global_batch_size, micro_batch_size):
    used, fresh = make_data(), make_data()
    options = {"global_batch_size": global_batch_size, "micro_batch_size": micro_batch_size, "rank": 0, "num_ranks": 1}
    used.micro_batches(first_example=first_example + 1000, **options)
    one, other = (data.micro_batches(first_example=first_example, **options) for data in (used, fresh))
    assert list(map(all_bytes, one)) == list(map(all_bytes, other))


@pytest.mark.parametrize("epoch", [0, 3])
def test_an_epoch_has_every_example_once_with_the_mask_of_the_epoch(make_data, epoch):
    data = make_data()
    size = data.num_examples
    expected = Counter(
        row_bytes(collate(*zip(data.masked(index, epoch=epoch)), pad_id=PAD_ID), 0) for index in range(size)
    )
    starts = range(epoch * size, (epoch + 1) * size, 10)
    steps = [
        global_batch(data, num_ranks=1, micro_batch_size=8, first_example=first, global_batch_size=10)[0]
        for first in starts
    ]
    seen = sum(map(rows_of, steps), Counter())
    assert expected <= seen
    assert seen.total() == len(starts) * 10  # the last step continues into the next epoch


def test_another_epoch_has_the_same_examples_with_other_masks(make_data):
    data = make_data()
    (one, first), (other, second) = (data.masked(3, epoch=epoch) for epoch in (0, 1))
    assert one.input_ids.tolist() == other.input_ids.tolist()
    assert first.input_ids.tolist() != second.input_ids.tolist()


def test_examples_of_a_real_corpus_fill_their_budgets_with_whole_words(prepared_sample, tmp_path):
    path = tmp_path / "index.npy"
    documents = np.arange(prepared_sample.num_documents)
    np.save(
        path,
        build_index(
            prepared_sample, documents=documents, data=DataConfig(), max_seq_length=128, seed=42, report=Counter()
        ),
    )
    data = PretrainData(
        shards=prepared_sample, vocab=prepared_sample.vocab(), index_path=path, masking=MaskingConfig(), seed=42
    )
    for index in range(0, data.num_examples, 5):
        example, item = data.masked(index, epoch=0)
        budget, chosen = num_to_predict(len(example.input_ids), data.masking), item.masked_lm_positions
        # there are many short words, so little of a budget stays unused
        assert budget - 3 <= len(chosen) <= budget
        words = np.cumsum(example.word_starts | example.special_tokens_mask)
        assert np.isin(words, words[chosen]).sum() == len(chosen)
        assert not example.special_tokens_mask[chosen].any()


def test_a_batch_counts_its_predictions_and_its_tokens_without_padding():
    ids = np.zeros((2, 3), np.int64)
    batch = PretrainBatch(
        input_ids=ids,
        token_type_ids=ids,
        attention_mask=np.array([[1, 1, 1], [1, 0, 0]], bool),
        masked_lm_positions=np.array([[1, 2], [1, 0]]),
        masked_lm_labels=np.array([[0, 9], [4, -100]]),
        next_sentence_labels=None,
    )
    assert (batch.num_predictions, batch.num_tokens) == (3, 4)
