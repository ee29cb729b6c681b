"""The compiled path: one pass from raw tokens to a masked, padded micro-batch, bit-identical to the numpy path.

The definition is in `masking.py`, `examples.make_example` and `collate.collate`. This file does the same for the loader
in numba, without Python objects. Tests compare both byte for byte. Notes for readers:

- The random numbers are those of `random_bits`, but they are computed only where they are needed: priorities at the
  first positions of units, actions at the selected positions.
- Words are visited by rising (priority, position). An example has about eighty words, and about fifteen of them fill
  the budget. So only the words with a small priority are sorted (`select_units`).
- Branches that the processor mispredicts cost most (does this piece start a word?), so the loops over tokens have no
  branches.
- numba's cache does not notice changed global constants. So every constant that could change is an argument; the others
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
    """Write the first `count` units to `order`, by rising (priority, position).

    The rank of each entry is counted without a branch that the processor could mispredict. A band has one or two dozen
    entries; for so few this is faster than any sorting.
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
    """Mark the units to predict in `chosen`; return their number of positions.

    Units are visited in bands of rising priority, of about twenty units each (priorities are uniform). One band fills
    the budget of most examples of 128 tokens, and four bands that of 512 tokens. The other units are never sorted.

    Args:
        unit_firsts, unit_ends: int32, the positions [first, end) of every unit, in order.
        ngram_thresholds: float64, the cumulative shares of 1-, 2-, … grams; length 1 if units are selected one by one.
        priorities, units, band, order: Buffers for num_units entries.
        chosen: bool, one entry per unit; is overwritten.
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
                    break  # over the budget, or behind a special token
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

    Args:
        tokens: uint16 or uint32, the stored tokens of all examples with the word bit on top. The second segment of an
            example follows its first.
        first_lengths, second_lengths: int64 (B,).
        keys: uint64 (B,).
        input_ids, token_type_ids, attention_mask: Output, int64, int64 and bool (B, T). They must hold padding before.
        positions, labels: Output, int64 (B, P). They must hold padding before.
        counts: Output, int64 (B,), the numbers of predictions.
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
                unit_firsts[num_units] = position  # kept if a unit starts here, else overwritten: no branch
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
