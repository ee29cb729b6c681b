"""Vector code for LAC's network: one GRU gate for a tile of sentences, as LLVM instructions that numba compiles.

Why there are no plain loops: the compiler would keep the sums of a matrix product in memory and reach 130-150 thousand
characters/s. This code reaches twice that, because it keeps them in vector registers. An intrinsic is a Python
function that writes code: its loops run while the code is generated, and each iteration adds instructions.

The tile
    A tile is `num_rows` sentences times a panel of 3 vectors of hidden units. With 16-wide vectors (AVX-512, 32
    registers) it has 8 rows and 48 columns: 24 registers for sums, 3 for weights and 1 for the current input. With
    8-wide vectors (AVX2, 16 registers) it has 4 rows and 24 columns: 12 + 3 + 1 registers. For every k, the 3 vectors
    of weights are loaded once for all rows: 3 + 8 loads for 24 multiply-adds. The remaining rows use tiles of one row.

The arithmetic, for hidden state h, gate inputs x and weights W (Paddle's `gru` with origin_mode=False)
    reset      r  = sigmoid(x_r + h W_r)          stored as r * h, the only use of r
    update     u  = sigmoid(x_u + h W_u)
    candidate  c  = tanh(x_c + (r * h) W_c)       h' = h + u * (c - h)
    Activations and element-wise products are applied to the sums while they are in registers (fused), so they need
    no extra loop over memory.

Exactness
    Every operation works on one row, sums run in the order of k, and the multiply-adds are true `fma`s. So the values
    of a sentence are the same bits, whatever the other rows and the size of the tile are. (Do not compute one division
    for the denominators of several rows: it would break this rule.) The sums differ from Paddle's in the last bits.
    The tags are the same: benchmarks/segmentation.py counts no differences.

Widths and sizes are passed as types: `lanes` and `rows` are tuples of zeros of that length. numba compiles one version
for each pair of lengths, and its cache on disk keeps all of them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Callable, Sequence

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import Signature

from ..compiled import instruction
from .lac_model import HIDDEN_SIZE, NUM_GATES

if TYPE_CHECKING:
    from numba.core.base import BaseContext as CodeContext
    from numba.core.typing.context import BaseContext as TypingContext

PANEL_VECTORS = 3  # vectors per row of a tile
UPDATE, RESET, CANDIDATE = 0, 1, 2  # the order of the columns in Paddle's weights

FLOAT, INT32, INT64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)


class VectorWriter:
    """A generator of instructions on vectors of `num_lanes` floats for `builder`."""

    def __init__(self, builder: ir.IRBuilder, num_lanes: int) -> None:
        self.builder = builder
        self.num_lanes = num_lanes
        self.type = ir.VectorType(FLOAT, num_lanes)
        self.bits_type = ir.VectorType(INT32, num_lanes)

    def constant(self, value: float) -> ir.Constant:
        """Return a vector with the same number in every lane, rounded to float32."""
        rounded = struct.unpack("f", struct.pack("f", value))[0]
        return ir.Constant(self.type, [ir.Constant(FLOAT, rounded)] * self.num_lanes)

    def at(self, pointer: ir.Value, index: ir.Value | int, type_: ir.Type = FLOAT) -> ir.Value:
        """Return the address of element `index`."""
        if isinstance(index, int):
            index = INT64(index)
        return self.builder.gep(pointer, [index], source_etype=type_)

    def load(self, pointer: ir.Value) -> ir.Value:
        """Load a vector; the address can be any multiple of 4 bytes."""
        return self.builder.load(pointer, typ=self.type, align=4)

    def store(self, vector: ir.Value, pointer: ir.Value) -> None:
        """Store a vector; the address can be any multiple of 4 bytes."""
        self.builder.store(vector, pointer, align=4)

    def broadcast(self, pointer: ir.Value) -> ir.Value:
        """Load one float into every lane."""
        value = self.builder.load(pointer, typ=FLOAT, align=4)
        undefined = ir.Constant(self.type, ir.Undefined)
        first = self.builder.insert_element(undefined, value, INT32(0))
        return self.builder.shuffle_vector(first, undefined, ir.Constant(self.bits_type, [0] * self.num_lanes))

    def fma(self, first: ir.Value, second: ir.Value, third: ir.Value) -> ir.Value:
        """Compute first * second + third, rounded once."""
        return self._call("fma", first, second, third)

    def _call(self, name: str, *vectors: ir.Value) -> ir.Value:
        full_name = f"llvm.{name}.v{self.num_lanes}f32"
        function_type = ir.FunctionType(self.type, [self.type] * len(vectors))
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, function_type, full_name), vectors)

    def exp(self, x: ir.Value) -> ir.Value:
        """Compute e**x for |x| <= 28, with an error of one or two last bits.

        As in expf of the Cephes library: e**x = 2**n * e**r with n = round(x / ln 2) and r = x - n ln 2.
        """
        builder = self.builder
        # after adding 1.5 * 2**23 there are no bits for a fraction, so the lowest bits of the sum are the integer n
        shift = self.constant(12582912.0)
        shifted = self.fma(x, self.constant(1.4426950408889634), shift)
        n = builder.fsub(shifted, shift)
        # ln 2 is split in two parts, so that n times the first part is exact
        r = self.fma(n, self.constant(-0.693359375), x)
        r = self.fma(n, self.constant(2.12194440e-4), r)
        power = self.constant(1.9875691500e-4)
        for coefficient in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
            power = self.fma(power, r, self.constant(coefficient))
        power = self.fma(builder.fmul(r, r), power, builder.fadd(r, self.constant(1.0)))
        # multiply by 2**n: add n to the exponent, which begins at bit 23
        exponent = builder.shl(
            builder.bitcast(shifted, self.bits_type), ir.Constant(self.bits_type, [23] * self.num_lanes)
        )
        return builder.bitcast(builder.add(builder.bitcast(power, self.bits_type), exponent), self.type)

    def sigmoid(self, x: ir.Value) -> ir.Value:
        """Compute 1 / (1 + e**-x), with x limited to [-28, 28].

        Beyond that, float32 results are so close to 0 and 1 that it makes no difference here.
        """
        builder = self.builder
        limited = self._call("minnum", self._call("maxnum", builder.fneg(x), self.constant(-28.0)), self.constant(28.0))
        return builder.fdiv(self.constant(1.0), builder.fadd(self.exp(limited), self.constant(1.0)))

    def tanh(self, x: ir.Value) -> ir.Value:
        """Compute tanh(x) as 2 * sigmoid(2 x) - 1."""
        return self.fma(self.sigmoid(self.builder.fadd(x, x)), self.constant(2.0), self.constant(-1.0))

    def add_product(
        self, sums: Sequence[ir.Value], *, rows: ir.Value, row_size: int, panel: ir.Value, depth: int
    ) -> list[ir.Value]:
        """Compute sums + rows @ panel, as a loop over k whose sums stay in registers.

        Args:
            sums: PANEL_VECTORS vectors per row.
            rows: The address of the first row of the tile.
            row_size: The distance between two rows, in floats.
            panel: The address of the weights, (depth, PANEL_VECTORS * num_lanes), which this loop reads in order.
            depth: The number of columns of `rows` to multiply.
        """
        builder = self.builder
        before, loop, after = (
            builder.block,
            builder.append_basic_block("product"),
            builder.append_basic_block("product.end"),
        )
        builder.branch(loop)
        builder.position_at_end(loop)
        k = builder.phi(INT64)
        k.add_incoming(INT64(0), before)
        carried = [builder.phi(self.type) for _ in sums]
        for phi, value in zip(carried, sums):
            phi.add_incoming(value, before)
        running: list[ir.Value] = list(carried)
        weights_at = builder.mul(k, INT64(PANEL_VECTORS * self.num_lanes))
        weights = [
            self.load(self.at(panel, builder.add(weights_at, INT64(vector * self.num_lanes))))
            for vector in range(PANEL_VECTORS)
        ]
        for row in range(len(sums) // PANEL_VECTORS):
            value = self.broadcast(self.at(rows, builder.add(k, INT64(row * row_size))))
            for vector in range(PANEL_VECTORS):
                place = row * PANEL_VECTORS + vector
                running[place] = self.fma(value, weights[vector], running[place])
        next_k = builder.add(k, INT64(1))
        k.add_incoming(next_k, loop)
        for phi, value in zip(carried, running):
            phi.add_incoming(value, loop)
        builder.cbranch(builder.icmp_signed("<", next_k, INT64(depth)), loop, after)
        builder.position_at_end(after)
        return running


@instruction
def gate_tile(
    typing_context: TypingContext,
    lanes: types.BaseTuple,
    rows: types.BaseTuple,
    gate: types.Type,
    panel: types.Type,
    row: types.Type,
    place: types.Type,
    start: types.Array,
    ids: types.Type,
    inputs: types.Type,
    input_weights: types.Type,
    weights: types.Type,
    state: types.Type,
    gated_state: types.Type,
    update: types.Type,
    outputs: types.Type,
) -> tuple[Signature, Callable[..., None]]:
    """Compute one gate of one tile: the batch rows from `row`, the columns of `panel`.

    All arrays are float32, except `ids`.

    start: (V, 3H) for layer 1, whose gate inputs are start[ids[place + i]]; (3H,) for layer 2, whose gate inputs are
    the bias `start` plus inputs[place + i] @ input_weights.
    weights, input_weights: packed, (gates * panels, depth, panel width).
    state, gated_state (r * h), update: (batch rows, H).
    outputs: (places, 2H), where layer 1 writes h' into the first H columns.
    """
    num_lanes, num_rows, is_first_layer = len(lanes), len(rows), start.ndim == 2
    signature = types.void(lanes, rows, types.int64, types.int64, types.int64, types.int64, *(
        (start, ids, inputs, input_weights, weights, state, gated_state, update, outputs)
    ))  # fmt: skip

    def write(context: CodeContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> None:
        gate, panel, row, place = arguments[2:6]
        data = [
            context.make_array(type_)(context, builder, value).data
            for type_, value in zip(signature.args[6:], arguments[6:])
        ]
        # numba's pointers are float pointers; llvmlite can cast them to opaque pointers only through an integer
        arrays = [builder.inttoptr(builder.ptrtoint(pointer, INT64), ir.PointerType()) for pointer in data]
        start, ids, inputs, input_weights, weights, state, gated_state, update, outputs = arrays
        vectors = VectorWriter(builder, num_lanes)
        at, width = vectors.at, PANEL_VECTORS * num_lanes
        column = builder.mul(panel, INT64(width))
        gate_column = builder.add(builder.mul(gate, INT64(HIDDEN_SIZE)), column)
        packed_panel = builder.add(builder.mul(gate, INT64(HIDDEN_SIZE // width)), panel)

        def each(base: ir.Value, row_size: int) -> list[ir.Value]:
            """Return the addresses of the tile's vectors; rows are row_size floats apart."""
            return [
                at(base, i * row_size + vector * num_lanes) for i in range(num_rows) for vector in range(PANEL_VECTORS)
            ]

        if is_first_layer:
            sums = []
            for i in range(num_rows):
                number = builder.load(at(ids, builder.add(place, INT64(i)), INT32), typ=INT32, align=4)
                table_row = builder.mul(builder.zext(number, INT64), INT64(NUM_GATES * HIDDEN_SIZE))
                first = at(start, builder.add(table_row, gate_column))
                sums += [vectors.load(at(first, vector * num_lanes)) for vector in range(PANEL_VECTORS)]
        else:
            depth = 2 * HIDDEN_SIZE
            sums = [vectors.load(address) for address in each(at(start, gate_column), 0)]
            sums = vectors.add_product(
                sums,
                rows=at(inputs, builder.mul(place, INT64(depth))),
                row_size=depth,
                panel=at(input_weights, builder.mul(packed_panel, INT64(depth * width))),
                depth=depth,
            )
        tile = builder.mul(row, INT64(HIDDEN_SIZE))
        is_candidate = builder.icmp_signed("==", gate, INT64(CANDIDATE))
        sums = vectors.add_product(
            sums,
            rows=at(builder.select(is_candidate, gated_state, state), tile),
            row_size=HIDDEN_SIZE,
            panel=at(weights, builder.mul(packed_panel, INT64(HIDDEN_SIZE * width))),
            depth=HIDDEN_SIZE,
        )
        tile = builder.add(tile, column)
        states, updates = each(at(state, tile), HIDDEN_SIZE), each(at(update, tile), HIDDEN_SIZE)
        with builder.if_else(is_candidate) as (then_candidate, otherwise):
            with then_candidate:
                outputs_at = each(
                    at(outputs, builder.add(builder.mul(place, INT64(2 * HIDDEN_SIZE)), column)), 2 * HIDDEN_SIZE
                )
                for value, state_at, update_at, output_at in zip(sums, states, updates, outputs_at):
                    old = vectors.load(state_at)
                    new = vectors.fma(vectors.load(update_at), builder.fsub(vectors.tanh(value), old), old)
                    vectors.store(new, state_at)
                    if is_first_layer:
                        vectors.store(new, output_at)
            with otherwise:
                activated = [vectors.sigmoid(value) for value in sums]
                with builder.if_else(builder.icmp_signed("==", gate, INT64(RESET))) as (then_reset, then_update):
                    with then_reset:
                        for value, state_at, address in zip(
                            activated, states, each(at(gated_state, tile), HIDDEN_SIZE)
                        ):
                            vectors.store(builder.fmul(value, vectors.load(state_at)), address)
                    with then_update:
                        for value, address in zip(activated, updates):
                            vectors.store(value, address)
        return context.get_dummy_value()

    return signature, write
