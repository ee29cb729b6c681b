"""Which positions are selected for masking. Actions at these positions are in test_masking_actions.py."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from paddle_wwm.masking_config import MaskingConfig, MaskingStrategy
from paddle_wwm.pretraining_data.examples import PretrainExample
from paddle_wwm.pretraining_data.masking import MaskedExample, mask_example, num_to_predict, select_positions
from paddle_wwm.pretraining_data.segments import NO_PAIR
from paddle_wwm.tokenization.tokenized import tokenize_sentence
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

from .builders import MASK_ID, example_of, words_of

RANDOM_TOKEN_IDS = np.arange(2000, 3000)

properties = settings(deadline=None, derandomize=True, max_examples=150)
sentences = st.lists(st.integers(1, 12), min_size=1, max_size=40)
examples = st.builds(example_of, sentences, st.one_of(st.just([]), sentences))
seeds = st.integers(0, 2**64 - 1)


def masked(
    example: PretrainExample, *, seed: int = 42, epoch: int = 0, example_index: int = 0, **config
) -> MaskedExample:
    return mask_example(
        example,
        config=MaskingConfig(**config),
        mask_id=MASK_ID,
        random_token_ids=RANDOM_TOKEN_IDS,
        seed=seed,
        epoch=epoch,
        example_index=example_index,
    )


def positions_of(example: PretrainExample, **options) -> list[int]:
    return masked(example, **options).masked_lm_positions.tolist()


def reference_positions(example: PretrainExample, *, budget: int, priorities: np.ndarray) -> list[int]:
    """Return the positions by the definition.

    Visit the words by rising priority, and skip words that do not fit.
    """
    chosen: set[int] = set()
    for word in sorted(words_of(example), key=lambda word: priorities[word[0]]):
        if len(chosen) + len(word) <= budget:
            chosen |= set(word)
    return sorted(chosen)


@pytest.fixture(scope="module")
def seed_pieces(mini_vocab, sentence_of, seed_words):
    """Ids and word starts of the running example with its eleven words."""
    report: Counter = Counter()
    result = tokenize_sentence(sentence_of(seed_words), tokenizer=WordPieceTokenizer(vocab=mini_vocab), report=report)
    assert report.total() == 0
    return result


@pytest.fixture(scope="module")
def seed_example(mini_vocab, seed_pieces):
    ids, starts = seed_pieces
    return PretrainExample(
        input_ids=np.array([mini_vocab.cls_id, *ids, mini_vocab.sep_id]),
        token_type_ids=np.zeros(len(ids) + 2, np.int64),
        word_starts=np.array([False, *starts, False]),
        special_tokens_mask=np.array([True, *[False] * len(ids), True]),
        next_sentence_label=NO_PAIR,
    )


def test_the_running_example_has_these_pieces_and_word_starts(mini_vocab, seed_pieces):
    ids, starts = seed_pieces
    assert (
        " ".join(mini_vocab.tokens[piece] for piece in ids)
        == "使 用 语 言 模 型 来 预 测 下 一 个 词 的 pro ##ba ##bility 。"
    )
    assert starts.astype(int).tolist() == [1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 1]


def test_masked_words_of_the_running_example_are_masked_completely(mini_vocab, seed_words, seed_example):
    seen = set()
    for epoch in range(300):
        item = mask_example(
            seed_example,
            config=MaskingConfig(mask_token_prob=1.0, random_token_prob=0.0),
            mask_id=mini_vocab.mask_id,
            random_token_ids=mini_vocab.random_token_ids,
            seed=42,
            epoch=epoch,
            example_index=0,
        )
        is_mask = item.input_ids == mini_vocab.mask_id
        words = [is_mask[word.start : word.stop] for word in words_of(seed_example)]
        assert len(words) == len(seed_words)
        assert all(word.all() or not word.any() for word in words)
        assert is_mask.sum() == 3  # round(20 * 0.15)
        seen |= {text for text, word in zip(seed_words, words) if word.all()}
    assert seen == set(seed_words)


@pytest.mark.golden
def test_the_mask_of_one_seed_epoch_and_example_never_changes():
    example = example_of([2, 2, 2, 1, 2, 1, 2, 1, 1, 3, 1])  # the running example's words
    item = masked(example, seed=42, epoch=0, example_index=7, masked_lm_prob=0.5)
    assert item.masked_lm_positions.tolist() == [1, 2, 5, 6, 7, 10, 15, 16, 17, 18]
    assert item.masked_lm_labels.tolist() == [11, 12, 15, 16, 17, 20, 25, 26, 27, 28]
    assert item.input_ids.tolist() == [2, 2869, 4, 13, 14, 15, 4, 2883, 18, 19, 4, 21, 22, 23, 24, 4, 2655, 4, 4, 3]


@given(example=examples, budget=st.integers(0, 60), seed=st.integers(0, 2**32 - 1))
@properties
def test_the_selection_equals_the_definition(example, budget, seed):
    # few different priorities, so that ties occur; the first word wins a tie
    priorities = np.random.default_rng(seed).integers(0, 20, len(example.input_ids)).astype(np.uint64)
    positions = select_positions(
        unit_starts=example.word_starts, selectable=~example.special_tokens_mask, budget=budget, priorities=priorities
    )
    assert positions.tolist() == reference_positions(example, budget=budget, priorities=priorities)


@given(example=examples, seed=seeds, epoch=st.integers(0, 1000), share=st.floats(0.01, 1.0), cap=st.integers(1, 80))
@properties
def test_a_mask_has_whole_words_within_the_budget_and_skips_no_word_that_fits(example, seed, epoch, share, cap):
    config = MaskingConfig(masked_lm_prob=share, max_predictions_per_seq=cap)
    positions = positions_of(example, seed=seed, epoch=epoch, masked_lm_prob=share, max_predictions_per_seq=cap)
    left = num_to_predict(len(example.input_ids), config) - len(positions)
    assert left >= 0
    assert positions == sorted(set(positions))
    assert not example.special_tokens_mask[positions].any()
    chosen = set(positions)
    for word in words_of(example):
        assert chosen.issuperset(word) or (chosen.isdisjoint(word) and len(word) > left)


@given(example=examples, seed=seeds, epoch=st.integers(0, 1000))
@properties
def test_labels_are_the_original_tokens_and_other_positions_stay_unchanged(example, seed, epoch):
    item = masked(example, seed=seed, epoch=epoch, mask_token_prob=1.0, random_token_prob=0.0)
    expected = example.input_ids.copy()
    expected[item.masked_lm_positions] = MASK_ID
    assert item.masked_lm_labels.tolist() == example.input_ids[item.masked_lm_positions].tolist()
    assert item.input_ids.tolist() == expected.tolist()
    assert {array.dtype for array in (item.input_ids, item.masked_lm_positions, item.masked_lm_labels)} == {
        np.dtype(np.int64)
    }


def test_the_input_is_not_modified():
    example = example_of([2] * 30)
    before = example.input_ids.copy()
    item = masked(example)  # the example's arrays are read-only: writing would raise
    assert example.input_ids.tolist() == before.tolist()
    assert not np.shares_memory(item.input_ids, example.input_ids)


@given(example=examples, seed=seeds, epoch=st.integers(0, 2**40), index=st.integers(0, 2**40))
@properties
def test_the_same_arguments_give_the_same_mask(example, seed, epoch, index):
    one, other = (masked(example, seed=seed, epoch=epoch, example_index=index) for _ in range(2))
    assert one.input_ids.tobytes() == other.input_ids.tobytes()
    assert one.masked_lm_positions.tobytes() == other.masked_lm_positions.tobytes()


def test_another_seed_epoch_or_example_has_another_mask():
    example = example_of([1, 2, 3] * 30)
    places = [{"seed": number} for number in range(43, 53)]
    places += [{"epoch": number} for number in range(10)] + [{"example_index": number} for number in range(1, 11)]
    assert len({tuple(positions_of(example, **place)) for place in places}) == len(places)


@pytest.mark.parametrize("dupe_factor", [1, 5, 10])
def test_static_masks_repeat_after_dupe_factor_epochs(dupe_factor):
    example = example_of([1, 2, 3] * 30)
    masks = [
        masked(example, epoch=epoch, dynamic=False, dupe_factor=dupe_factor).input_ids.tobytes()
        for epoch in range(3 * dupe_factor)
    ]
    assert len(set(masks[:dupe_factor])) == dupe_factor
    assert masks == masks[:dupe_factor] * 3


def test_the_first_static_masks_equal_the_first_dynamic_masks():
    example = example_of([1, 2, 3] * 30)
    for epoch in range(5):
        static = masked(example, epoch=epoch, dynamic=False, dupe_factor=5)
        assert static.input_ids.tolist() == masked(example, epoch=epoch).input_ids.tolist()


@given(example=examples, seed=seeds)
@properties
def test_piece_masking_selects_pieces_and_always_fills_the_budget(example, seed):
    assume(num_to_predict(len(example.input_ids), MaskingConfig()) <= (~example.special_tokens_mask).sum())
    positions = positions_of(example, seed=seed, strategy=MaskingStrategy.PIECE)
    assert len(positions) == len(set(positions)) == num_to_predict(len(example.input_ids), MaskingConfig())
    assert not example.special_tokens_mask[positions].any()


def test_piece_masking_splits_words_and_whole_word_masking_does_not():
    example = example_of([10] * 10)
    pieces = Counter((position - 1) // 10 for position in positions_of(example, strategy=MaskingStrategy.PIECE))
    words = Counter((position - 1) // 10 for position in positions_of(example, strategy=MaskingStrategy.WHOLE_WORD))
    assert set(words.values()) == {10}
    assert pieces.total() == 15 and max(pieces.values()) < 10


def test_the_budget_is_15_percent_of_the_tokens_rounded():
    budgets = {num_tokens: num_to_predict(num_tokens, MaskingConfig()) for num_tokens in range(8, 513)}
    # in integers: at most half a piece away from 0.15 * num_tokens
    assert all(abs(20 * budget - 3 * num_tokens) <= 10 for num_tokens, budget in budgets.items())


@pytest.mark.golden
def test_these_budgets_never_change():
    lengths = (1, 3, 8, 10, 16, 17, 20, 64, 128, 256, 512)
    assert [num_to_predict(length, MaskingConfig()) for length in lengths] == [1, 1, 1, 2, 2, 3, 3, 10, 19, 38, 77]
    assert [num_to_predict(length, MaskingConfig(max_predictions_per_seq=20)) for length in (128, 134, 256, 512)] == [
        19,
        20,
        20,
        20,
    ]
    assert [num_to_predict(512, MaskingConfig(masked_lm_prob=rate)) for rate in (0.3, 0.4, 1.0)] == [154, 205, 512]


def test_an_example_in_which_no_word_fits_has_no_prediction():
    item = masked(example_of([8]))  # 10 tokens: a budget of 2
    assert item.masked_lm_positions.shape == item.masked_lm_labels.shape == (0,)
    assert item.input_ids.tolist() == example_of([8]).input_ids.tolist()


def test_words_that_do_not_fit_are_skipped():
    example = example_of([8, 1, 8, 1])  # 20 tokens: a budget of 3
    assert all(positions_of(example, epoch=epoch) == [9, 18] for epoch in range(20))


def test_every_word_of_equal_length_is_selected_equally_often():
    example, num_epochs = example_of([1] * 98), 4000  # a budget of 15 of 98
    counts = np.bincount(
        np.concatenate([positions_of(example, epoch=epoch) for epoch in range(num_epochs)]), minlength=100
    )
    share = 15 / 98
    error = np.sqrt(num_epochs * share * (1 - share))
    assert counts[0] == counts[-1] == 0
    assert np.abs(counts[1:-1] - num_epochs * share).max() < 5 * error


def test_a_word_ends_at_a_separator():
    # truncation cut the first word of the second segment, so that its first piece starts no word; it must not belong
    # to the last word of the first segment
    selected = select_positions(
        unit_starts=np.array([0, 1, 0, 0, 0, 0], bool),
        selectable=np.array([0, 1, 1, 0, 1, 0], bool),
        budget=6,
        priorities=np.arange(6, dtype=np.uint64),
    )
    assert selected.tolist() == [1, 2]
