"""Several corpora in one stream, and the compiled path compared with the numpy path."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.config import DataConfig
from paddle_wwm.errors import ConfigError
from paddle_wwm.masking_config import ActionUnit, MaskingConfig, MaskingStrategy
from paddle_wwm.pretraining_data.collate import PretrainData, compiled_batch, numpy_batch
from paddle_wwm.pretraining_data.examples import build_index
from paddle_wwm.pretraining_data.mixture import PERIOD, Mixture, seed_of

from .builders import numbered_vocab


def batch_bytes(batch):
    values = [getattr(batch, item.name) for item in dataclasses.fields(batch)]
    return [None if value is None else (value.dtype.str, value.shape, value.tobytes()) for value in values]


@pytest.fixture(scope="module")
def sources(tmp_path_factory, shards_of):
    """Three corpora of 30, 12 and 3 documents. Their words have one to four pieces."""
    folder = tmp_path_factory.mktemp("mixture")
    rng = np.random.default_rng(0)
    made = []
    for number, count in enumerate((30, 12, 3)):
        documents = [
            [rng.integers(1, 5, rng.integers(2, 12)).tolist() for _ in range(rng.integers(1, 6))] for _ in range(count)
        ]
        shards, path = shards_of(documents), folder / f"{number}.npy"
        everything = np.arange(shards.num_documents)
        np.save(
            path,
            build_index(shards, documents=everything, data=DataConfig(), max_seq_length=48, seed=1, report=Counter()),
        )
        made.append(
            PretrainData(
                shards=shards, vocab=numbered_vocab(), index_path=path, masking=MaskingConfig(), seed=seed_of(7, number)
            )
        )
    return tuple(made)


def test_a_mixture_of_one_corpus_gives_the_batches_of_the_corpus(sources):
    cut = {"first_example": 5000, "global_batch_size": 12, "micro_batch_size": 3, "rank": 0, "num_ranks": 1}
    alone, mixed = sources[0].micro_batches(**cut), Mixture(sources=sources[:1]).micro_batches(**cut)
    assert [batch_bytes(batch) for batch in alone] == [batch_bytes(batch) for batch in mixed]


@settings(max_examples=30, deadline=None)
@given(weights=st.lists(st.floats(0.01, 100), min_size=3, max_size=3), start=st.integers(0, 10**9))
def test_every_corpus_gives_its_share_of_examples_in_order(sources, weights, start):
    mixture = Mixture(sources=sources, weights=tuple(weights))
    chosen, numbers = mixture.locate(np.arange(start, start + PERIOD))
    for source in range(3):
        own = numbers[chosen == source]
        np.testing.assert_array_equal(own, np.arange(own[0], own[0] + len(own)))
        expected = max(1.0, PERIOD * weights[source] / sum(weights))
        assert abs(len(own) - expected) <= 3


def test_the_number_within_a_corpus_counts_its_earlier_examples(sources):
    mixture = Mixture(sources=sources, weights=(3, 1, 0.5))
    chosen, numbers = mixture.locate(np.arange(3 * PERIOD))
    for place in (0, 1, 17, PERIOD - 1, PERIOD, 2 * PERIOD + 5):
        assert numbers[place] == (chosen[:place] == chosen[place]).sum()


def test_without_weights_the_shares_are_proportional_to_the_numbers_of_examples(sources):
    mixture = Mixture(sources=sources)
    shares = np.bincount(mixture.pattern, minlength=3) / PERIOD
    sizes = np.array([source.num_examples for source in sources])
    np.testing.assert_allclose(shares, sizes / sizes.sum(), atol=2 / PERIOD)


@pytest.mark.parametrize("weights", [(1.0, 2.0), (1.0, 2.0, 0.0), (1.0, 2.0, -1.0)])
def test_wrong_weights_are_refused(sources, weights):
    with pytest.raises(ConfigError, match="must be 3 numbers above 0"):
        Mixture(sources=sources, weights=weights)


@pytest.mark.parametrize("num_ranks", [2, 4])
def test_the_global_batch_of_a_mixture_is_the_same_for_any_number_of_ranks(sources, num_ranks):
    mixture = Mixture(sources=sources, weights=(1, 1, 1))
    cut = {"first_example": 96, "global_batch_size": 16, "micro_batch_size": 2}
    whole = mixture.micro_batches(**cut, rank=0, num_ranks=1)
    dealt = [mixture.micro_batches(**cut, rank=rank, num_ranks=num_ranks) for rank in range(num_ranks)]
    in_order = [dealt[number % num_ranks][number // num_ranks] for number in range(len(whole))]
    assert [batch_bytes(batch) for batch in in_order] == [batch_bytes(batch) for batch in whole]


@settings(max_examples=60, deadline=None)
@given(
    strategy=st.sampled_from(MaskingStrategy),
    actions=st.sampled_from(ActionUnit),
    masked_lm_prob=st.sampled_from([0.05, 0.15, 0.5, 1.0]),
    split=st.sampled_from([(0.8, 0.1), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)]),
    most=st.sampled_from([1, 3, 80]),
    dynamic=st.booleans(),
    numbers=st.lists(st.integers(0, 10**6), min_size=1, max_size=9),
)
def test_the_compiled_path_gives_the_bytes_of_the_numpy_path(
    sources, strategy, actions, masked_lm_prob, split, most, dynamic, numbers
):
    masking = MaskingConfig(
        strategy=strategy,
        actions=actions,
        masked_lm_prob=masked_lm_prob,
        mask_token_prob=split[0],
        random_token_prob=split[1],
        max_predictions_per_seq=most,
        dynamic=dynamic,
    )
    data = dataclasses.replace(sources[0], masking=masking)
    taken = data.take(np.array(numbers))
    assert batch_bytes(compiled_batch(taken)) == batch_bytes(numpy_batch(taken))
