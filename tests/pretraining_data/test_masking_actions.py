"""The actions at selected positions: [MASK], a random token or no change, drawn for each piece."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_wwm.masking_config import MaskingConfig
from paddle_wwm.pretraining_data.examples import PretrainExample
from paddle_wwm.pretraining_data.masking import MaskedExample, apply_actions, mask_example

from .builders import FIRST_ID, MASK_ID, example_of, numbered_vocab, words_of

# disjoint from the ids of the examples, so that a random token differs from an unchanged one
RANDOM_TOKEN_IDS = np.arange(20_000, 21_000)
ALL_MASK = {"mask_token_prob": 1.0, "random_token_prob": 0.0}
ALL_RANDOM = {"mask_token_prob": 0.0, "random_token_prob": 1.0}
ALL_UNCHANGED = {"mask_token_prob": 0.0, "random_token_prob": 0.0}


def masked(
    example: PretrainExample, *, epoch: int = 0, random_token_ids: np.ndarray = RANDOM_TOKEN_IDS, **config
) -> MaskedExample:
    return mask_example(
        example,
        config=MaskingConfig(**config),
        mask_id=MASK_ID,
        random_token_ids=random_token_ids,
        seed=42,
        epoch=epoch,
        example_index=3,
    )


def is_about(count: int, *, of: int, share: float) -> bool:
    """Return True within five standard deviations of a binomial distribution."""
    return abs(count - of * share) < 5 * np.sqrt(of * share * (1 - share))


@pytest.fixture(scope="module")
def actions():
    """Over 200,000 predictions at 80/10/10, as bool arrays: [MASK], random, unchanged.

    Shape (words, 2): every word has two pieces.
    """
    example = example_of([2] * 255)
    tokens = []
    for epoch in range(2700):
        item = masked(example, epoch=epoch)
        tokens.append(np.stack([item.input_ids[item.masked_lm_positions], item.masked_lm_labels], axis=1))
    after, before = np.concatenate(tokens).reshape(-1, 2, 2).transpose(2, 0, 1)
    assert after.size > 200_000
    return after == MASK_ID, np.isin(after, RANDOM_TOKEN_IDS), after == before


def test_every_prediction_is_mask_if_mask_token_prob_is_1():
    item = masked(example_of([2] * 255), **ALL_MASK)
    assert set(item.input_ids[item.masked_lm_positions].tolist()) == {MASK_ID}


def test_every_prediction_is_an_ordinary_token_if_random_token_prob_is_1():
    vocab = numbered_vocab()
    seen = set()
    for epoch in range(50):
        item = masked(example_of([2] * 255), epoch=epoch, random_token_ids=vocab.random_token_ids, **ALL_RANDOM)
        seen |= set(item.input_ids[item.masked_lm_positions].tolist())
    assert len(seen) > 3000
    assert not any(vocab.tokens[token].startswith("[") for token in seen)


def test_random_tokens_are_all_tokens_except_special_and_unused_ones(mini_vocab):
    left_out = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]", "[unused2]", "[unused3]"}
    assert {mini_vocab.tokens[token] for token in mini_vocab.random_token_ids} == set(mini_vocab.tokens) - left_out
    assert {"[", "]", "##bility", "词"} <= {mini_vocab.tokens[token] for token in mini_vocab.random_token_ids}


def test_every_ordinary_token_of_a_small_vocabulary_is_drawn(mini_vocab):
    seen = set()
    for epoch in range(60):
        item = masked(example_of([1] * 400), epoch=epoch, random_token_ids=mini_vocab.random_token_ids, **ALL_RANDOM)
        seen |= set(item.input_ids[item.masked_lm_positions].tolist())
    assert seen == set(mini_vocab.random_token_ids.tolist())


def test_tokens_stay_unchanged_but_are_predicted_if_both_probabilities_are_0():
    example = example_of([2] * 255)
    item = masked(example, **ALL_UNCHANGED)
    assert item.input_ids.tolist() == example.input_ids.tolist()
    assert len(item.masked_lm_positions) == 76  # 512 tokens: a budget of 77, in whole words of two pieces
    assert item.masked_lm_labels.tolist() == example.input_ids[item.masked_lm_positions].tolist()


def test_the_actions_do_not_change_which_positions_are_selected():
    example = example_of([1, 2, 3] * 40)
    selections = [
        masked(example, **config).masked_lm_positions.tolist() for config in (ALL_MASK, ALL_RANDOM, ALL_UNCHANGED, {})
    ]
    assert selections == [selections[0]] * 4


def test_the_shares_are_80_10_10_within_the_sampling_error(actions):
    is_mask, is_random, is_unchanged = actions
    assert (is_mask + 0 + is_random + is_unchanged == 1).all()
    assert is_about(is_mask.sum(), of=is_mask.size, share=0.8)
    assert is_about(is_random.sum(), of=is_mask.size, share=0.1)
    assert is_about(is_unchanged.sum(), of=is_mask.size, share=0.1)


def test_the_pieces_of_a_word_draw_independently(actions):
    first, second = (sum(kind[:, piece] * number for number, kind in enumerate(actions)) for piece in (0, 1))
    shares = (0.8, 0.1, 0.1)
    for one in range(3):
        for other in range(3):
            together = ((first == one) & (second == other)).sum()
            assert is_about(together, of=len(first), share=shares[one] * shares[other])


def test_the_pieces_of_a_word_can_have_all_three_actions():
    example = example_of([3] * 170)
    kinds = set()
    for epoch in range(30):
        item = masked(example, epoch=epoch)
        chosen = set(item.masked_lm_positions.tolist())
        for word in words_of(example):
            if word[0] in chosen:
                after = item.input_ids[list(word)]
                kinds.add(
                    tuple(np.select([after == MASK_ID, after >= 20_000], ["mask", "random"], "unchanged").tolist())
                )
    assert {("mask", "random", "unchanged"), ("unchanged", "mask", "random"), ("mask", "mask", "mask")} <= kinds


def test_draws_below_80_percent_are_mask_below_90_random_and_the_rest_unchanged():
    ids = np.arange(FIRST_ID, FIRST_ID + 8)
    result = apply_actions(
        input_ids=ids,
        positions=np.array([1, 2, 3, 4, 5, 6]),
        action_draws=np.array([0.0, 0.799999, 0.8, 0.899999, 0.900001, 0.999999]),
        random_tokens=np.array([901, 902, 903, 904, 905, 906]),
        mask_id=MASK_ID,
        config=MaskingConfig(),
    )
    assert result.tolist() == [10, MASK_ID, MASK_ID, 903, 904, 15, 16, 17]
    assert ids.tolist() == list(range(10, 18))
