"""Dropout masks that are functions of a key and of the number of masks drawn before.

On the CPU a mask is never stored. It is computed again where it is needed, also in the backward pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import paddle
import paddle.nn.functional as F

from ..random_bits import mix

MaskNumbers = tuple[np.uint64, np.uint16, np.float32]
_key, _num_drawn = 0, 0


def seed_dropout(key: int) -> None:
    """Make all later masks a function of `key` (64 bits), on a GPU too."""
    set_dropout_state((key, 0))
    paddle.seed(key % (1 << 31))


def dropout_state() -> tuple[int, int]:
    """Return the key and the number of masks drawn with it.

    The state of a GPU's generator is not included.
    """
    return _key, _num_drawn


def set_dropout_state(state: tuple[int, int]) -> None:
    """Continue from a result of `dropout_state`: the same masks are drawn again."""
    global _key, _num_drawn
    _key, _num_drawn = state


@dataclass(frozen=True, kw_only=True)
class Mask:
    """One mask on the CPU, stored as the numbers that it is computed from.

    An element is kept if 16 random bits are at least `threshold`. So the rate is rounded to a multiple of 2**-16. The
    scale belongs to the rounded rate, so the mean stays exact.
    """

    key: int = 0
    threshold: int = 0
    scale: float = 1.0

    def numbers(self) -> MaskNumbers:
        """Return key, threshold and scale as compiled loops take them."""
        return np.uint64(self.key), np.uint16(self.threshold), np.float32(self.scale)

    def factors(self, shape: list[int]) -> np.ndarray:
        """Return the mask times the scale, float32, of this shape."""
        from . import kernels

        bits = kernels.mask_bits(np.uint64(self.key), math.prod(shape[:-1]), shape[-1])
        return np.where(bits >= self.threshold, np.float32(self.scale), np.float32(0)).reshape(shape)


@paddle.jit.not_to_static  # it counts calls, which a static program cannot
def draw_mask(rate: float, *, training: bool) -> Mask:
    """Return the next mask. Outside of training it keeps every element."""
    global _num_drawn
    if not training or rate == 0.0:
        return Mask()
    _num_drawn += 1
    threshold = round(rate * 65536)
    return Mask(key=_scatter(_key + _scatter(_num_drawn)), threshold=threshold, scale=65536 / (65536 - threshold))


def _scatter(value: int) -> int:
    # neighbouring numbers get unrelated keys
    return int(mix(np.array([value % (1 << 64)], np.uint64))[0])


def dropout(x: paddle.Tensor, rate: float, *, training: bool) -> paddle.Tensor:
    """Set a share of `rate` of the elements to 0 and scale the others; any shape.

    Outside of training, return x.
    """
    mask = draw_mask(rate, training=training)
    if not training or rate == 0.0:
        return x
    if not x.place.is_cpu_place():
        return F.dropout(x, rate)
    return x * paddle.to_tensor(mask.factors(x.shape), dtype=x.dtype)
