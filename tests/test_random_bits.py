"""Counter-based random numbers: they equal the published splitmix64 stream and show no pattern."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.random_bits import key_of, mix, random_uint64, to_index, to_unit

uint64s = st.integers(0, 2**64 - 1)
properties = settings(deadline=None, derandomize=True, max_examples=200)


def chi_square(values: np.ndarray, *, num_bins: int) -> float:
    """Return Pearson's statistic for equal shares. Its mean is num_bins - 1 and its variance twice that."""
    counts = np.bincount(values, minlength=num_bins)
    expected = len(values) / num_bins
    return float(((counts - expected) ** 2 / expected).sum())


def is_uniform(values: np.ndarray, *, num_bins: int) -> bool:
    """Return True if the statistic is within five standard deviations of its mean."""
    return abs(chi_square(values, num_bins=num_bins) - (num_bins - 1)) < 5 * np.sqrt(2 * (num_bins - 1))


@pytest.mark.golden
@pytest.mark.parametrize(
    ("seed", "stream"),
    [
        # https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64
        (
            1234567,
            [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821],
        ),
        # the first outputs of Vigna's splitmix64.c for the state 0
        (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]),
    ],
)
def test_the_numbers_of_a_key_equal_splitmix64(seed, stream):
    assert random_uint64(np.uint64(seed), len(stream)).tolist() == stream


@pytest.mark.golden
def test_keys_have_fixed_values():
    assert int(key_of()) == 0
    assert int(key_of(42)) == 13679457532755275413
    assert int(key_of(42, 0, 7)) == 16907424079388093198
    assert random_uint64(key_of(42, 0, 7), 3).tolist() == [
        12141906422639105859,
        4777858774924740053,
        16509938850058129586,
    ]


def test_the_order_and_the_number_of_key_parts_matter():
    parts = [(), (0,), (0, 0), (0, 0, 0), (1,), (0, 1), (1, 0), (1, 2), (2, 1), (1, 2, 3), (3, 2, 1), (2, 1, 3), (-1,)]
    assert len({int(key_of(*part)) for part in parts}) == len(parts)


def test_negative_and_huge_parts_count_modulo_two_to_the_64():
    assert key_of(-1) == key_of(2**64 - 1)
    assert key_of(2**64 + 5) == key_of(5)


def test_no_two_examples_of_ten_epochs_share_a_key():
    keys = {int(key_of(42, epoch, index)) for epoch in range(10) for index in range(2000)}
    assert len(keys) == 20_000


def test_overflow_raises_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(random_uint64(key_of(2**64 - 1, -5), 100)) == 100


@given(seed=uint64s, shorter=st.integers(0, 50), longer=st.integers(50, 100))
@properties
def test_a_number_does_not_depend_on_the_count(seed, shorter, longer):
    assert random_uint64(np.uint64(seed), longer)[:shorter].tolist() == random_uint64(np.uint64(seed), shorter).tolist()


@given(values=st.lists(uint64s, unique=True, min_size=2))
@properties
def test_mix_maps_different_values_to_different_values(values):
    assert len(set(mix(np.array(values, np.uint64)).tolist())) == len(values)


def test_units_are_at_least_0_and_below_1():
    bits = np.array([0, 2**11 - 1, 2**11, 2**63, 2**64 - 1], np.uint64)
    assert to_unit(bits).tolist() == [0.0, 0.0, 2.0**-53, 0.5, 1.0 - 2.0**-53]


@given(bits=uint64s, bound=st.integers(1, 2**31))
@properties
def test_an_index_is_below_its_bound(bits, bound):
    [index] = to_index(np.array([bits], np.uint64), bound).tolist()
    assert 0 <= index < bound


@pytest.mark.parametrize("bound", [1, 2, 3, 97, 21128, 2**31, 2**32])
def test_the_smallest_and_largest_bits_give_the_first_and_last_index(bound):
    assert to_index(np.array([0, 2**64 - 1], np.uint64), bound).tolist() == [0, bound - 1]


@pytest.mark.parametrize("num_bins", [2, 10, 1000])
def test_the_numbers_of_one_key_are_uniform(num_bins):
    bits = random_uint64(key_of(42, 3), 1_000_000)
    assert is_uniform(to_index(bits, num_bins), num_bins=num_bins)
    assert is_uniform((to_unit(bits) * num_bins).astype(np.int64), num_bins=num_bins)
    assert is_uniform((bits % np.uint64(num_bins)).astype(np.int64), num_bins=num_bins)


def test_the_first_numbers_of_neighbouring_keys_are_uniform_and_uncorrelated():
    first = np.array([random_uint64(key_of(42, 0, index), 1)[0] for index in range(20_000)], np.uint64)
    assert is_uniform(to_index(first, 100), num_bins=100)
    # pairs of neighbours are uniform on a 10 x 10 grid
    tenths = to_index(first, 10)
    assert is_uniform(tenths[:-1] * 10 + tenths[1:], num_bins=100)
