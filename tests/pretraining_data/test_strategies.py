"""The other strategies: n-grams of words, and one action per word."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.masking_config import ActionUnit, MaskingConfig, MaskingStrategy
from paddle_wwm.pretraining_data.masking import mask_example, ngram_thresholds, select_positions

from .builders import MASK_ID, example_of, numbered_vocab, words_of

POOL = numbered_vocab().random_token_ids


def mask(example, seed=0, index=0, **options):
    return mask_example(
        example,
        config=MaskingConfig(**options),
        mask_id=MASK_ID,
        random_token_ids=POOL,
        seed=seed,
        epoch=0,
        example_index=index,
    )


@settings(max_examples=100, deadline=None)
@given(
    words=st.lists(st.integers(1, 5), min_size=1, max_size=40),
    second=st.lists(st.integers(1, 5), max_size=20),
    seed=st.integers(0, 999),
)
def test_n_grams_are_whole_words_within_the_budget(words, second, seed):
    example = example_of(words, second)
    masked = mask(example, seed=seed, strategy=MaskingStrategy.NGRAM_WORD, masked_lm_prob=0.3)
    chosen = set(masked.masked_lm_positions.tolist())
    assert all(chosen.issuperset(word) or chosen.isdisjoint(word) for word in words_of(example))
    assert len(chosen) <= max(1, round(len(example.input_ids) * 0.3))


def test_an_n_gram_ends_at_a_special_token_at_a_selected_word_and_at_the_budget():
    starts = np.array([0, 1, 1, 0, 1, 0, 1, 1, 0], bool)  # [CLS] a b ##b c [SEP] d e [SEP]
    selectable = np.array([0, 1, 1, 1, 1, 0, 1, 1, 0], bool)

    def select(order, sizes, budget):
        priorities, ngram_sizes = np.full(9, 99, np.uint64), np.ones(9, np.int64)
        priorities[order], ngram_sizes[order] = np.arange(len(order)), sizes
        arguments = {
            "unit_starts": starts,
            "selectable": selectable,
            "priorities": priorities,
            "ngram_sizes": ngram_sizes,
        }
        return select_positions(budget=budget, **arguments).tolist()

    assert select([4], [4], budget=1) == [4]
    assert select([4, 6], [4, 1], budget=2) == [4, 6]  # c d would cross [SEP]
    assert select([2, 1], [1, 4], budget=3) == [1, 2, 3]  # only a: b is already selected
    assert select([1], [4], budget=4) == [1, 2, 3, 4]
    assert select([1, 7], [3, 1], budget=2) == [1, 7]  # a and b would exceed the budget: only a, then e


def test_ngram_masking_with_single_words_only_equals_whole_word_masking():
    example = example_of([1, 2, 3, 1, 1, 2, 4, 1] * 6)
    for seed in range(20):
        plain = mask(example, seed=seed)
        ngram = mask(example, seed=seed, strategy=MaskingStrategy.NGRAM_WORD, ngram_shares=(1.0, 0.0, 0.0, 0.0))
        np.testing.assert_array_equal(plain.input_ids, ngram.input_ids)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_share_of_1_gives_only_n_grams_of_that_size(size):
    shares = tuple(float(number == size) for number in range(1, 5))
    example = example_of([1] * 200)
    for index in range(50):
        masked = mask(
            example, index=index, strategy=MaskingStrategy.NGRAM_WORD, ngram_shares=shares, max_predictions_per_seq=size
        )
        positions = masked.masked_lm_positions
        # an n-gram at the end of the segment is shorter, and other n-grams fill the budget
        assert len(positions) == size
        assert positions[-1] - positions[0] == size - 1 or positions[-1] == 200


def test_n_gram_sizes_are_drawn_by_their_shares():
    config = MaskingConfig(strategy=MaskingStrategy.NGRAM_WORD)
    draws = np.random.default_rng(0).random(200_000)
    sizes = 1 + np.searchsorted(ngram_thresholds(config)[:-1], draws, side="right")
    np.testing.assert_allclose(np.bincount(sizes, minlength=5)[1:] / len(draws), [0.4, 0.3, 0.2, 0.1], atol=0.005)


def test_all_pieces_of_a_word_share_one_action_if_actions_are_per_word():
    example = example_of([3] * 120)
    shares = np.zeros(3)
    for seed in range(60):
        masked = mask(example, seed=seed, actions=ActionUnit.WORD)
        for word in words_of(example):
            if word[0] in masked.masked_lm_positions:
                seen, true = masked.input_ids[list(word)], example.input_ids[list(word)]
                kinds = {
                    0 if token == MASK_ID else 2 if token == original else 1 for token, original in zip(seen, true)
                }
                assert len(kinds) == 1
                shares[kinds.pop()] += 1
    np.testing.assert_allclose(shares / shares.sum(), [0.8, 0.1, 0.1], atol=0.04)
