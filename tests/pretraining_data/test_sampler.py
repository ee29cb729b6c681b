"""The order of examples: a permutation of each epoch, computed from the running numbers alone."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.pretraining_data.sampler import order_of, permute
from paddle_wwm.random_bits import key_of

properties = settings(deadline=None, derandomize=True, max_examples=100)
keys = st.integers(0, 2**64 - 1).map(np.uint64)


def whole(size: int, *, key: np.uint64) -> list[int]:
    return permute(np.arange(size), size=size, key=key).tolist()


def order(numbers, *, num_examples: int, seed: int = 42) -> list[tuple[int, int]]:
    """Return (epoch, example index) of every running number."""
    epochs, indices = order_of(np.asarray(numbers), num_examples=num_examples, seed=seed)
    return list(zip(epochs.tolist(), indices.tolist()))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 10, 16, 17, 97, 1000, 1024, 1025, 4096, 4097])
def test_every_position_goes_to_exactly_one_place(size):
    for key in range(5):
        assert sorted(whole(size, key=key_of(key))) == list(range(size))


@given(size=st.integers(1, 3000), key=keys)
@properties
def test_any_size_and_key_give_a_permutation(size, key):
    assert sorted(whole(size, key=key)) == list(range(size))


@given(size=st.integers(1, 10**12), key=keys, seed=st.integers(0, 2**32 - 1))
@properties
def test_positions_of_a_large_size_go_to_different_places_within_bounds(size, key, seed):
    positions = np.unique(np.random.default_rng(seed).integers(0, size, 100))
    places = permute(positions, size=size, key=key)
    assert len(set(places.tolist())) == len(positions)
    assert places.min() >= 0 and places.max() < size
    assert places.dtype == np.int64


@given(size=st.integers(1, 500), key=keys, seed=st.integers(0, 2**32 - 1))
@properties
def test_a_place_does_not_depend_on_other_positions_of_the_call(size, key, seed):
    positions = np.random.default_rng(seed).integers(0, size, 5)
    together = permute(positions, size=size, key=key)
    assert together.tolist() == [int(permute(positions[i : i + 1], size=size, key=key)[0]) for i in range(5)]


@pytest.mark.parametrize("size", [2, 3, 4])
def test_every_permutation_of_a_small_size_occurs(size):
    counts = Counter(tuple(whole(size, key=key_of(7, number))) for number in range(500))
    assert set(counts) == set(permutations(range(size)))


def test_every_position_goes_to_every_place_equally_often():
    size, num_keys = 10, 2000
    places = np.array([whole(size, key=key_of(7, number)) for number in range(num_keys)])
    counts = np.array([np.bincount(places[:, position], minlength=size) for position in range(size)])
    assert np.abs(counts - num_keys / size).max() < 5 * np.sqrt(num_keys * 0.1 * 0.9)


def test_neighbouring_positions_go_to_unrelated_places():
    places = np.array(whole(10_000, key=key_of(7)))
    assert abs(np.corrcoef(places, np.arange(10_000))[0, 1]) < 0.05
    assert abs(np.corrcoef(places[1:], places[:-1])[0, 1]) < 0.05
    assert (np.abs(np.diff(places)) < 100).mean() < 0.04  # 2% by chance


@pytest.mark.golden
def test_this_order_never_changes():
    assert order(range(8, 13), num_examples=10) == [(0, 0), (0, 2), (1, 4), (1, 7), (1, 8)]
    assert permute(np.array([0, 1, 2, 10**9 - 1]), size=10**9, key=key_of(42, 0)).tolist() == [
        391794461,
        180469962,
        20712710,
        306042580,
    ]


@given(num_examples=st.integers(1, 300), seed=st.integers(0, 2**32))
@properties
def test_each_epoch_visits_every_example_once(num_examples, seed):
    seen = order(range(3 * num_examples), num_examples=num_examples, seed=seed)
    for epoch in range(3):
        of_epoch = seen[epoch * num_examples : (epoch + 1) * num_examples]
        assert {number for number, _ in of_epoch} == {epoch}
        assert sorted(index for _, index in of_epoch) == list(range(num_examples))


def test_epochs_and_seeds_have_different_orders():
    orders = [
        tuple(index for _, index in order(range(start, start + 100), num_examples=100)) for start in range(0, 1000, 100)
    ]
    orders += [tuple(index for _, index in order(range(100), num_examples=100, seed=seed)) for seed in range(10)]
    assert len(set(orders)) == len(orders)


@given(num_examples=st.integers(1, 30), cuts=st.lists(st.integers(0, 60), max_size=4), num_ranks=st.integers(1, 4))
@settings(properties, max_examples=20)
def test_the_order_is_the_same_for_any_split_of_the_numbers(num_examples, cuts, num_ranks):
    expected = order(range(60), num_examples=num_examples)
    bounds = [0, *sorted(cuts), 60]
    in_turn = [
        pair for start, end in zip(bounds, bounds[1:]) for pair in order(range(start, end), num_examples=num_examples)
    ]
    assert in_turn == expected
    for rank in range(num_ranks):
        assert order(range(rank, 60, num_ranks), num_examples=num_examples) == expected[rank::num_ranks]
