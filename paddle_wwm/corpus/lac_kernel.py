"""Run LAC's network over many sentences: a numba kernel around the gates of lac_vector.py.

It gives the same tags as Paddle and is several times faster.

Why it is fast, apart from the gates
    - Batches: up to 48 sentences of similar length, longest first. Step t handles the sentences that are longer than
      t, and these are the first rows of the batch. So there is no padding except in the last tile, and a row keeps
      its place in the state from the first step to the last.
    - Time-major layout: the rows of a step are adjacent in memory. Row b of step t is at first_places[t] + b.
    - Layer 1 has no input product: its gate inputs are rows of a table (lac_model.LacWeights.table). This saves a
      fifth of all multiplications.
    - The loops are, from outer to inner: gates, panels, rows. So the weights of a panel (18 KB) stay in the L1 cache
      for all rows. The candidate gate comes last, because it needs r * h of all columns.

Some rows of a step can be left after the full tiles. A few rows are computed one by one: a single long sentence takes
twice as long as in a batch, not eight times as long. More rows are computed as one more full tile with idle rows.
Memory is 800 bytes per character of the largest batch, so the number of characters per batch is limited.

Limit of the speed: the network needs 221 thousand multiply-adds per character. An EPYC processor (Zen 4, one 16-wide
fma per cycle) computes 2.9 billion vectors of them per second here, and 3.2 billion in the largest products of
OpenBLAS. So at most a tenth is left to gain on it. Intel's server processors have two such units.
"""

from __future__ import annotations

import types
from functools import lru_cache
from typing import Callable

import numba
import numpy as np

from ..compiled import compiled
from .lac_model import HIDDEN_SIZE, NUM_TAGS, LacWeights
from .lac_vector import CANDIDATE, PANEL_VECTORS, RESET, UPDATE, gate_tile

ROWS_OF_BATCH = 48
CHARS_OF_BATCH = 32_768  # unless a single sentence is longer


@numba.njit(nogil=True)
def _num_in_full_tiles(num_rows: int, rows_of_tile: int) -> int:
    """Return how many rows of a step full tiles handle, with the idle rows."""
    left = num_rows % rows_of_tile
    if left <= rows_of_tile // 3:  # a tile of one row takes 1/4 to 1/3 of the time of a full one
        return num_rows - left
    return num_rows - left + rows_of_tile


@numba.njit(nogil=True, error_model="numpy")
def _gru_step(
    lanes: tuple[int, ...],
    rows: tuple[int, ...],
    num_rows: int,
    place: int,
    start: np.ndarray,
    ids: np.ndarray,
    inputs: np.ndarray,
    input_weights: np.ndarray,
    weights: np.ndarray,
    state: np.ndarray,
    gated_state: np.ndarray,
    update: np.ndarray,
    outputs: np.ndarray,
) -> None:
    """Compute one step of one direction for the rows at `place` + row; update `state`."""
    num_tiled = _num_in_full_tiles(num_rows, len(rows))
    arrays = (start, ids, inputs, input_weights, weights, state, gated_state, update, outputs)
    for gate in (RESET, UPDATE, CANDIDATE):
        for panel in range(HIDDEN_SIZE // (PANEL_VECTORS * len(lanes))):
            for row in range(0, num_tiled, len(rows)):
                gate_tile(lanes, rows, gate, panel, row, place + row, *arrays)
            for row in range(num_tiled, num_rows):
                gate_tile(lanes, rows[:1], gate, panel, row, place + row, *arrays)


# Reassociation lets the sums over the hidden units use vector lanes. Each row is still summed by itself, in a fixed
# order.
@numba.njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _add_emissions(state: np.ndarray, num_rows: int, weights: np.ndarray, emissions: np.ndarray, place: int) -> None:
    """Compute emissions[place + row] += weights @ state[row]. weights: (4, H)."""
    for row in range(num_rows):
        for tag in range(NUM_TAGS):
            total = np.float32(0)
            for unit in range(HIDDEN_SIZE):
                total += state[row, unit] * weights[tag, unit]
            emissions[place + row, tag] += total


@numba.njit(nogil=True, error_model="numpy")
def _best_path(
    emissions: np.ndarray,
    first_places: np.ndarray,
    row: int,
    length: int,
    transitions: np.ndarray,
    came_from: np.ndarray,
    tags: np.ndarray,
) -> None:
    """Fill `tags` with the Viterbi path, the lower tag where two scores are equal.

    came_from: a buffer, uint8 (length, 4).
    """
    score, previous = np.empty(NUM_TAGS, np.float32), np.empty(NUM_TAGS, np.float32)
    for tag in range(NUM_TAGS):
        score[tag] = transitions[0, tag] + emissions[first_places[0] + row, tag]
    for step in range(1, length):
        previous[:] = score
        for tag in range(NUM_TAGS):
            best, origin = previous[0] + transitions[2, tag], 0
            for other in range(1, NUM_TAGS):
                candidate = previous[other] + transitions[2 + other, tag]
                if candidate > best:
                    best, origin = candidate, other
            came_from[step, tag] = origin
            score[tag] = best + emissions[first_places[step] + row, tag]
    last, best = 0, score[0] + transitions[1, 0]
    for tag in range(1, NUM_TAGS):
        if score[tag] + transitions[1, tag] > best:
            last, best = tag, score[tag] + transitions[1, tag]
    for step in range(length - 1, 0, -1):
        tags[step] = last
        last = came_from[step, last]
    tags[0] = last


@numba.njit(nogil=True)
def plan_batch(offsets: np.ndarray, batch: np.ndarray, rows_of_tile: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the rows per step, the first place per step and the number of places.

    Both arrays are int64 (num_steps,). batch: int64 (num_texts,), the indices of the texts, longest first.
    """
    num_steps = offsets[batch[0] + 1] - offsets[batch[0]]
    num_rows_of_step, first_places = np.empty(num_steps, np.int64), np.empty(num_steps, np.int64)
    num_rows, num_places = len(batch), 0
    for step in range(num_steps):
        while offsets[batch[num_rows - 1] + 1] - offsets[batch[num_rows - 1]] <= step:
            num_rows -= 1
        num_rows_of_step[step], first_places[step] = num_rows, num_places
        num_places += max(num_rows, _num_in_full_tiles(num_rows, rows_of_tile))
    return num_rows_of_step, first_places, num_places


@numba.njit(nogil=True, error_model="numpy")
def run_batch(
    lanes: tuple[int, ...], rows: tuple[int, ...], ids: np.ndarray, offsets: np.ndarray, batch: np.ndarray, num_rows_of_step: np.ndarray, first_places: np.ndarray, batch_ids: np.ndarray, table: np.ndarray, recurrent: np.ndarray, input_weights: np.ndarray, bias: np.ndarray, emission: np.ndarray, inputs: np.ndarray, emissions: np.ndarray  # noqa: E501
) -> None:  # fmt: skip
    """Run both layers on one batch and add to `emissions`, float32 (num_places, 4)."""
    num_steps, size = len(num_rows_of_step), HIDDEN_SIZE
    state = np.zeros((ROWS_OF_BATCH, size), np.float32)
    gated_state, update = np.zeros_like(state), np.zeros_like(state)
    batch_ids[:] = 0  # idle rows need a valid id, too
    for row in range(len(batch)):
        first = offsets[batch[row]]
        for step in range(offsets[batch[row] + 1] - first):
            batch_ids[first_places[step] + row] = ids[first + step]
    for layer in range(2):
        for direction in range(2):
            weights = recurrent[direction, layer]
            outputs = inputs[:, direction * size :]
            state[:] = 0
            num_before = 0
            for count in range(num_steps):
                step = count if direction == 0 else num_steps - 1 - count
                num_rows, place = num_rows_of_step[step], first_places[step]
                if num_rows > num_before:  # only backwards: the added sentences begin at this step, with a zero state
                    state[num_before:num_rows] = 0
                num_before = num_rows
                buffers = (weights, state, gated_state, update, outputs)
                if layer == 0:
                    _gru_step(
                        lanes,
                        rows,
                        num_rows,
                        place,
                        table[direction],
                        batch_ids,
                        inputs,
                        input_weights[direction],
                        *buffers,
                    )
                else:
                    _gru_step(
                        lanes,
                        rows,
                        num_rows,
                        place,
                        bias[direction],
                        batch_ids,
                        inputs,
                        input_weights[direction],
                        *buffers,
                    )
                    _add_emissions(state, num_rows, emission[direction], emissions, place)


def tag_texts(
    lanes: tuple[int, ...],
    rows: tuple[int, ...],
    ids: np.ndarray,
    offsets: np.ndarray,
    order: np.ndarray,
    table: np.ndarray,
    recurrent: np.ndarray,
    input_weights: np.ndarray,
    bias: np.ndarray,
    emission: np.ndarray,
    emission_bias: np.ndarray,
    transitions: np.ndarray,
    tags: np.ndarray,
) -> None:
    """Fill `tags`, int8 (num_characters,). ids: int32 (num_characters,), of all texts.

    offsets: int64 (num_texts + 1,). order: int64, the indices of the non-empty texts, longest first. The weights come
    from `pack_weights`.
    """
    inputs = np.empty((0, 2 * HIDDEN_SIZE), np.float32)
    emissions = np.empty((0, NUM_TAGS), np.float32)
    batch_ids = np.empty(0, np.int32)
    first = 0
    while first < len(order):
        num_steps = offsets[order[first] + 1] - offsets[order[first]]
        last = min(len(order), first + max(1, min(ROWS_OF_BATCH, CHARS_OF_BATCH // num_steps)))
        batch = order[first:last]
        num_rows_of_step, first_places, num_places = plan_batch(offsets, batch, len(rows))
        if num_places > len(inputs):  # the first batch has the longest texts, so it seldom happens again
            inputs = np.empty((num_places, 2 * HIDDEN_SIZE), np.float32)
            emissions = np.empty((num_places, NUM_TAGS), np.float32)
            batch_ids = np.empty(num_places, np.int32)
        for place in range(num_places):
            emissions[place] = emission_bias
        weights = (table, recurrent, input_weights, bias, emission)
        run_batch(
            lanes, rows, ids, offsets, batch, num_rows_of_step, first_places, batch_ids, *weights, inputs, emissions
        )
        came_from = np.empty((num_steps, NUM_TAGS), np.uint8)
        for row in range(len(batch)):
            begin, end = offsets[batch[row]], offsets[batch[row] + 1]
            _best_path(emissions, first_places, row, end - begin, transitions, came_from, tags[begin:end])
        first = last


@lru_cache
def compiled_tag_texts(width: int) -> Callable[..., None]:
    """Return a copy of `tag_texts` that numba compiles for vectors of `width` floats."""
    function = types.FunctionType(tag_texts.__code__, tag_texts.__globals__, tag_texts.__name__)
    function.__module__, function.__doc__ = tag_texts.__module__, tag_texts.__doc__
    function.__qualname__ = f"tag_texts_{width}_wide"  # the name in numba's cache
    return compiled(nogil=True, error_model="numpy")(function)


def rows_of_tile(width: int) -> int:
    """Return the number of sentences whose sums fit in the registers (lac_vector.py)."""
    return width // 2


def pack_weights(weights: LacWeights, *, width: int) -> tuple[np.ndarray, ...]:
    """Return the weights as `tag_texts` takes them, from `table` to `transitions`.

    The panels of a matrix follow each other, so the kernel reads them in order.
    """

    def panels(matrix: np.ndarray) -> np.ndarray:
        depth, columns = matrix.shape
        panel = PANEL_VECTORS * width
        return matrix.reshape(depth, columns // panel, panel).transpose(1, 0, 2)

    return (
        _aligned(weights.table),
        _aligned([[panels(matrix) for matrix in layers] for layers in weights.recurrent]),
        _aligned([panels(matrix) for matrix in weights.inputs]),
        _aligned(weights.bias),
        _aligned([matrix.T for matrix in weights.emission]),
        _aligned(weights.emission_bias),
        _aligned(weights.transitions),
    )


def _aligned(values: object) -> np.ndarray:
    """Return a float32 C-ordered copy whose address is a multiple of 64 bytes.

    A vector load across two cache lines takes twice as long.
    """
    source = np.asarray(values, np.float32)
    memory = np.empty(source.nbytes + 64, np.uint8)
    first = -memory.ctypes.data % 64
    copy = memory[first : first + source.nbytes].view(np.float32).reshape(source.shape)
    copy[...] = source
    return copy
