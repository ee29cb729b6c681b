"""Whole word masking, as the BERT-wwm authors define it. numpy only; every random number is an argument.

- A word is all pieces of one segmented word; a single character can be a word. Words are selected as a whole. A word
  that would exceed the budget is skipped, not cut. [CLS], [SEP] and padding are never selected.
- The budget is max(1, round(T * masked_lm_prob)), where T includes [CLS] and [SEP]; at most max_predictions_per_seq if
  that is given.
- Masking means one of three actions. Each PIECE of a selected word draws its own: 80% become [MASK], 10% become a
  random token, and 10% stay unchanged.
- Other strategies select single pieces (BERT), or one to four words in a row (MacBERT). Optionally, all pieces of a
  word share one action.

`select_positions` decides which positions are predicted, and `apply_actions` decides what happens there. `mask_example`
calls both and makes the result a function of (seed, epoch or copy, example index) alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ..masking_config import ActionUnit, MaskingConfig, MaskingStrategy
from ..random_bits import keys_of, random_uint64, to_index, to_unit
from .examples import PretrainExample


@dataclass(frozen=True, kw_only=True)
class MaskedExample:
    """An example after masking.

    Attributes:
        input_ids: int64 (seq_len,), as the model sees them.
        masked_lm_positions, masked_lm_labels: int64 (num_predictions,).
    """

    input_ids: np.ndarray
    masked_lm_positions: np.ndarray
    masked_lm_labels: np.ndarray


def num_to_predict(num_tokens: int, config: MaskingConfig) -> int:
    """Return the budget of an example; see `MaskingConfig.budget`."""
    return config.budget(num_tokens)


def select_positions(
    *,
    unit_starts: np.ndarray,
    selectable: np.ndarray,
    budget: int,
    priorities: np.ndarray,
    ngram_sizes: np.ndarray | None = None,
) -> np.ndarray:
    """Select the positions to predict.

    Args:
        unit_starts: bool (T,), True where a unit (word or piece) starts. A unit ends before the next start or
            unselectable position.
        selectable: bool (T,), False at special tokens.
        budget: The maximum number of positions.
        priorities: uint64 (T,). Units are visited by rising priority of their first position.
        ngram_sizes: int64 (T,), at the first position of a unit: how many units are selected together from there
            (default: 1). The n-gram ends early at the budget, at a selected unit and at a special token.

    Returns:
        Shape (num_predictions,), int64, ascending.
    """
    firsts = np.flatnonzero(unit_starts & selectable)
    if len(firsts) == 0:
        return np.zeros(0, np.int64)
    stops = np.flatnonzero(unit_starts | ~selectable)
    ends = np.append(stops, len(unit_starts))[np.searchsorted(stops, firsts, side="right")]
    wanted = np.ones(len(firsts), np.int64) if ngram_sizes is None else ngram_sizes[firsts]
    chosen = np.zeros(len(firsts), bool)
    for unit in np.argsort(priorities[firsts], kind="stable").tolist():
        for other in range(unit, min(unit + int(wanted[unit]), len(firsts))):
            size = int(ends[other] - firsts[other])
            if chosen[other] or size > budget or (other > unit and firsts[other] != ends[other - 1]):
                break
            chosen[other] = True
            budget -= size
        if budget == 0:
            break
    return np.concatenate(
        [np.arange(first, end) for first, end in zip(firsts[chosen], ends[chosen])] or [np.zeros(0, np.int64)]
    )


def ngram_thresholds(config: MaskingConfig) -> np.ndarray:
    """Return the cumulative shares of 1-, 2-, … grams, float64.

    A draw below the first share is a 1-gram. There is only one entry if units are selected one by one.
    """
    return np.cumsum(config.ngram_shares) if config.strategy is MaskingStrategy.NGRAM_WORD else np.ones(1)


EpochOrEpochs = TypeVar("EpochOrEpochs", int, np.ndarray)


def mask_round(epoch: EpochOrEpochs, config: MaskingConfig) -> EpochOrEpochs:
    """Return the number that a mask depends on besides seed and example; int or int64.

    Dynamic masks depend on the epoch, static masks on the number of the frozen copy.
    """
    return epoch if config.dynamic else epoch % config.dupe_factor


def apply_actions(
    *,
    input_ids: np.ndarray,
    positions: np.ndarray,
    action_draws: np.ndarray,
    random_tokens: np.ndarray,
    mask_id: int,
    config: MaskingConfig,
) -> np.ndarray:
    """Return input_ids with the actions of `positions` applied, as a copy.

    Args:
        input_ids: int64 (T,).
        positions: int64 (num_predictions,).
        action_draws: float64 (num_predictions,) in [0, 1). Draws below mask_token_prob give [MASK], the next
            random_token_prob a random token, and the rest no change.
        random_tokens: int64 (num_predictions,), the token to use if the action is "random".

    Returns:
        Shape (T,), int64.
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
    """Mask an example; a pure function of its arguments.

    Args:
        example: The example, with T pieces.
        config: How it is masked.
        mask_id: The id of [MASK].
        random_token_ids: int64 (n,), the ids that may replace a piece.
        seed: The seed of the run.
        epoch: The number of the frozen copy if masks are static (`dynamic` false).
        example_index: The index of the example in its epoch.
    """
    length = len(example.input_ids)
    draws = random_uint64(keys_of(seed, mask_round(epoch, config), example_index)[0], 4 * length).reshape(4, length)
    units = np.ones(length, bool) if config.strategy is MaskingStrategy.PIECE else example.word_starts
    positions = select_positions(
        unit_starts=units,
        selectable=~example.special_tokens_mask,
        budget=num_to_predict(length, config),
        priorities=draws[0],
        ngram_sizes=1 + np.searchsorted(ngram_thresholds(config)[:-1], to_unit(draws[3]), side="right"),
    )
    # where each piece's action is drawn: at the piece, or at the first piece of its unit
    drawing = (
        positions
        if config.actions is ActionUnit.PIECE
        else np.maximum.accumulate(np.where(units, np.arange(length), 0))[positions]
    )
    input_ids = apply_actions(
        input_ids=example.input_ids,
        positions=positions,
        action_draws=to_unit(draws[1, drawing]),
        random_tokens=random_token_ids[to_index(draws[2, positions], len(random_token_ids))],
        mask_id=mask_id,
        config=config,
    )
    return MaskedExample(
        input_ids=input_ids, masked_lm_positions=positions, masked_lm_labels=example.input_ids[positions]
    )
