"""Paired differences equal calculations by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.evidence.statistics import paired_difference


def test_the_interval_is_students_t_over_the_means_of_pretraining_seeds():
    # means: 80, 82, 84 against 79, 79, 79 -> differences 1, 3, 5: mean 3, sd 2, 2 / sqrt(3) = 1.1547, t(2) = 4.30265
    # -> half 4.9683
    one = {1: [79.0, 81.0], 2: [82.0, 82.0], 3: [83.0, 85.0]}
    found = paired_difference(one, {seed: [79.0] for seed in one})
    assert found.differences == (1.0, 3.0, 5.0)
    assert (found.mean, found.low, found.high) == (
        3.0,
        pytest.approx(3 - 4.96828, abs=1e-4),
        pytest.approx(3 + 4.96828, abs=1e-4),
    )
    assert (found.num_pairs, found.excludes_zero) == (3, False)


def test_equal_differences_give_a_zero_width_interval_that_excludes_zero():
    found = paired_difference({1: [2.0], 2: [3.0]}, {1: [1.0], 2: [2.0]})
    assert (found.low, found.high, found.excludes_zero) == (1.0, 1.0, True)


def test_one_pair_has_no_interval_and_unpaired_seeds_are_ignored():
    found = paired_difference({1: [2.0], 2: [9.0]}, {1: [3.0], 3: [0.0]})
    assert (found.differences, found.low, found.excludes_zero) == ((-1.0,), None, False)


def test_arms_without_a_common_seed_are_refused():
    with pytest.raises(ValueError, match="no pretraining seed is in both arms"):
        paired_difference({1: [2.0]}, {2: [3.0]})


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=2, max_size=6))
def test_exchanging_the_arms_only_changes_the_sign(pairs):
    one, other = ({seed: [pair[side]] for seed, pair in enumerate(pairs)} for side in (0, 1))
    there, back = paired_difference(one, other), paired_difference(other, one)
    assert there.mean == pytest.approx(-back.mean)
    assert (there.low, there.high) == (pytest.approx(-back.high), pytest.approx(-back.low))
    assert there.low <= there.mean <= there.high
