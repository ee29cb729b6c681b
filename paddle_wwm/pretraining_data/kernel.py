"""The compiled path: a micro-batch from raw tokens to masked, padded arrays in one pass, bit-identical to the numpy
path.

`masking.py`, `examples.make_example` and `collate.collate` are the definition; this file does the same in numba,
without Python objects, for the loader. Tests compare the two byte for byte. What to know when reading it:

- Random numbers are those of `random_bits`, but computed only where they are needed: priorities for the first
  positions of units, actions for the selected positions.
- Words are visited by rising (priority, position). Of some eighty words of an example about fifteen are visited until
  the budget is full, so only those of small priority are put in order (`select_units`).
- What costs most is branches that the processor guesses wrong (is this piece a word's start?), so the loops over
  tokens have none.
- numba's cache does not notice changed global constants: every constant that could change is an argument, the others
  are literals.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from ..random_bits import GAMMA, mix, to_unit

_mix, _unit = compiled(inline="always")(mix), compiled(inline="always")(to_unit)


@compiled(inline="always")
def _number(key: np.uint64, place: int) -> np.uint64:
    return _mix(key + np.uint64(place + 1) * GAMMA)


@compiled()
def _sort_band(units: np.ndarray, count: int, priorities: np.ndarray, band: np.ndarray, order: np.ndarray) -> None:
    """The first `count` entries of `units` by rising (priority, position) into `order`. Every one's rank is counted,
    without a branch that
    a processor could guess wrong: for the dozen or two of a band that is faster than any sorting.
    """
    for place in range(count):
        band[place] = priorities[units[place]]
    for place in range(count):
        own, rank = band[place], 0
        for other in range(place):
            rank += band[other] <= own
        for other in range(place + 1, count):
            rank += band[other] < own
        order[rank] = units[place]


@compiled()
def select_units(
    unit_firsts: np.ndarray,
    unit_ends: np.ndarray,
    num_units: int,
    key: np.uint64,
    length: int,
    budget: int,
    ngram_thresholds: np.ndarray,
    priorities: np.ndarray,
    units: np.ndarray,
    band: np.ndarray,
    order: np.ndarray,
    chosen: np.ndarray,
) -> int:
    """Mark in `chosen` (bool, one a unit) the units to predict; returns how many positions they have.

    unit_firsts, unit_ends: int32, the positions [first, end) of every unit in order. ngram_thresholds: float64, the
    cumulated shares of 1-, 2-, … grams; of length 1 where units are selected one by one. The others are buffers of
    num_units.

    Units are visited in bands of rising priority, of about twenty units each (priorities are uniform): one band fills
    the budget of most examples of 128 tokens, four that of 512, and the rest of the units is never put in order.
    """
    for unit in range(num_units):
        priorities[unit] = _number(key, unit_firsts[unit])
        chosen[unit] = False
    left = budget
    last = np.uint64(0xFFFFFFFFFFFFFFFF)
    width = last if num_units <= 20 else np.uint64(2.0**64 * (20.0 / num_units))
    low, high = np.uint64(0), width
    while left > 0:
        count = 0
        for unit in range(num_units):
            units[count] = unit
            count += (priorities[unit] >= low) & (priorities[unit] <= high)
        _sort_band(units, count, priorities, band, order)
        for place in range(count):
            first = order[place]
            if chosen[first]:
                continue
            wanted = 1
            if len(ngram_thresholds) > 1:
                draw = _unit(_number(key, 3 * length + unit_firsts[first]))
                while wanted < len(ngram_thresholds) and draw >= ngram_thresholds[wanted - 1]:
                    wanted += 1
            stop = first
            while stop < num_units and stop - first < wanted and not chosen[stop]:
                size = unit_ends[stop] - unit_firsts[stop]
                if size > left or (stop > first and unit_firsts[stop] != unit_ends[stop - 1]):
                    break  # over the budget, or a special token lies between
                chosen[stop] = True
                left -= size
                stop += 1
            if left == 0:
                break
        if high == last:
            break
        low = high + np.uint64(1)
        high = low + width if low <= last - width else last
    return budget - left


@compiled()
def fill_batch(
    tokens: np.ndarray,
    first_lengths: np.ndarray,
    second_lengths: np.ndarray,
    keys: np.ndarray,
    word_bit: int,
    cls_id: int,
    sep_id: int,
    mask_id: int,
    random_token_ids: np.ndarray,
    masked_lm_prob: float,
    max_predictions: int,
    mask_token_prob: float,
    random_token_prob: float,
    whole_words: bool,
    action_by_word: bool,
    ngram_thresholds: np.ndarray,
    input_ids: np.ndarray,
    token_type_ids: np.ndarray,
    attention_mask: np.ndarray,
    positions: np.ndarray,
    labels: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Build and mask a micro-batch.

    tokens: the stored tokens (uint16 or uint32, word bit on top) of all examples, first and second segments one after
    the other.
    first_lengths, second_lengths: int64 (B,). keys: uint64 (B,). The last six are filled: int64 and bool (B, T), int64
    (B, P), and the numbers of predictions, int64 (B,); they come filled with padding.
    """
    longest = input_ids.shape[1]
    unit_firsts, unit_ends = np.empty(longest, np.int32), np.empty(longest, np.int32)
    priorities, band = np.empty(longest, np.uint64), np.empty(longest + 1, np.uint64)
    units, order, chosen = np.empty(longest + 1, np.int32), np.empty(longest + 1, np.int32), np.empty(longest, np.bool_)
    id_bits = np.uint32((np.int64(1) << word_bit) - 1)
    cursor = 0
    for row in range(len(keys)):
        key = keys[row]
        input_ids[row, 0] = cls_id
        position, num_units = 1, 0
        for segment in range(2):
            count = first_lengths[row] if segment == 0 else second_lengths[row]
            if segment == 1 and count == 0:
                break
            for index in range(count):
                token = np.uint32(tokens[cursor])
                cursor += 1
                input_ids[row, position] = np.int64(token & id_bits)
                token_type_ids[row, position] = segment
                unit_firsts[num_units] = position  # kept where a unit starts, overwritten where not: no branch to guess
                num_units += (not whole_words) | (index == 0) | ((token >> np.uint32(word_bit)) != 0)
                unit_ends[num_units - 1] = position + 1
                position += 1
            input_ids[row, position] = sep_id
            token_type_ids[row, position] = segment
            position += 1
        length = position
        for index in range(length):
            attention_mask[row, index] = True
        budget = min(max_predictions, max(1, int(np.rint(length * masked_lm_prob))))
        select_units(
            unit_firsts,
            unit_ends,
            num_units,
            key,
            length,
            budget,
            ngram_thresholds,
            priorities,
            units,
            band,
            order,
            chosen,
        )
        count = 0
        for unit in range(num_units):
            if not chosen[unit]:
                continue
            for index in range(unit_firsts[unit], unit_ends[unit]):
                positions[row, count] = index
                labels[row, count] = input_ids[row, index]
                count += 1
                place = unit_firsts[unit] if action_by_word else index
                draw = _unit(_number(key, length + place))
                if draw < mask_token_prob:
                    input_ids[row, index] = mask_id
                elif draw < mask_token_prob + random_token_prob:
                    bits = _number(key, 2 * length + index) >> np.uint64(32)
                    input_ids[row, index] = random_token_ids[
                        np.int64((bits * np.uint64(len(random_token_ids))) >> np.uint64(32))
                    ]
        counts[row] = count
