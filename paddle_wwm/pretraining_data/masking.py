"""Whole word masking, as the BERT-wwm authors define it. numpy only; every random number is an argument.

- A word is all the pieces of one segmented word, a single character too. Words are selected whole; a word that would exceed the budget
  is passed over, not cut. [CLS], [SEP] and padding are never selected.
- Budget: min(max_predictions_per_seq, max(1, round(T * masked_lm_prob))), T counting [CLS] and [SEP].
- "Mask" is meant in general: each PIECE of a selected word draws its own action, 80% [MASK], 10% a random token, 10% unchanged.

Which positions (`select_positions`) and what happens there (`apply_actions`) are two functions; `mask_example` joins them and makes both
a function of (seed, epoch or copy, example index) alone.
"""

from __future__ import annotations

import numpy as np

from ..types import MaskedExample, MaskingConfig, MaskingUnit, PretrainExample
from .random_bits import key_of, random_uint64, to_index, to_unit


def num_to_predict(num_tokens: int, config: MaskingConfig) -> int:
    """The budget of an example of `num_tokens` tokens, special tokens counted."""
    return min(config.max_predictions_per_seq, max(1, round(num_tokens * config.masked_lm_prob)))


def select_positions(
    *, unit_starts: np.ndarray, selectable: np.ndarray, budget: int, priorities: np.ndarray
) -> np.ndarray:
    """The positions to predict, ascending. int64.

    unit_starts: bool (T,), True where a unit (word or piece) starts; a unit runs to the next start or unselectable position.
    selectable: bool (T,), False at special tokens. priorities: uint64 (T,); units are visited by rising priority of their first position.
    """
    firsts = np.flatnonzero(unit_starts & selectable)
    if len(firsts) == 0:
        return np.zeros(0, np.int64)
    stops = np.flatnonzero(unit_starts | ~selectable)
    ends = np.append(stops, len(unit_starts))[np.searchsorted(stops, firsts, side="right")]
    order = np.argsort(priorities[firsts], kind="stable")
    chosen: list[np.ndarray] = []
    for first, end in zip(firsts[order].tolist(), ends[order].tolist()):
        if end - first <= budget:
            chosen.append(np.arange(first, end))
            budget -= end - first
            if budget == 0:
                break
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)


def apply_actions(
    *,
    input_ids: np.ndarray,
    positions: np.ndarray,
    action_draws: np.ndarray,
    random_tokens: np.ndarray,
    mask_id: int,
    config: MaskingConfig,
) -> np.ndarray:
    """A copy of input_ids with [MASK], a random token or the token itself at `positions`.

    action_draws: float64 (num_predictions,) in [0, 1); below mask_token_prob [MASK], then random_token_prob, the rest unchanged.
    random_tokens: int64 (num_predictions,), the token that a position gets if its action is "random".
    """
    masked = input_ids.copy()
    replace = action_draws < config.mask_token_prob
    randomize = ~replace & (action_draws < config.mask_token_prob + config.random_token_prob)
    masked[positions[replace]] = mask_id
    masked[positions[randomize]] = random_tokens[randomize]
    return masked


def mask_example(
    example: PretrainExample,
    *,
    config: MaskingConfig,
    mask_id: int,
    random_token_ids: np.ndarray,
    seed: int,
    epoch: int,
    example_index: int,
) -> MaskedExample:
    """Mask an example; a pure function of its arguments. `epoch` is the copy's number where masks are static (`dynamic` false)."""
    length = len(example.input_ids)
    round_number = epoch if config.dynamic else epoch % config.dupe_factor
    draws = random_uint64(key_of(seed, round_number, example_index), 3 * length).reshape(3, length)
    units = example.word_starts if config.unit is MaskingUnit.WHOLE_WORD else np.ones(length, bool)
    positions = select_positions(
        unit_starts=units,
        selectable=~example.special_tokens_mask,
        budget=num_to_predict(length, config),
        priorities=draws[0],
    )
    input_ids = apply_actions(
        input_ids=example.input_ids,
        positions=positions,
        action_draws=to_unit(draws[1, positions]),
        random_tokens=random_token_ids[to_index(draws[2, positions], len(random_token_ids))],
        mask_id=mask_id,
        config=config,
    )
    return MaskedExample(input_ids=input_ids, masked_lm_positions=positions, masked_lm_labels=example.input_ids[positions])
