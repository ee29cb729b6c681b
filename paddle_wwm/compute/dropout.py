"""Dropout whose masks are functions of a key and of how many masks were drawn before.

On the CPU a mask is never stored: it is computed again where it is needed, in the backward pass too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import paddle
import paddle.nn.functional as F

from ..random_bits import mix

_key, _num_drawn = 0, 0


def seed_dropout(key: int) -> None:
    """Make all masks drawn from here on a function of `key` (64 bits), on a GPU, too."""
    set_dropout_state((key, 0))
    paddle.seed(key % (1 << 31))


def dropout_state() -> tuple[int, int]:
    """Return the key, and how many masks were drawn with it (the state of a GPU's generator is not part of it)."""
    return _key, _num_drawn


def set_dropout_state(state: tuple[int, int]) -> None:
    """Continue from what `dropout_state` returned: the same masks are drawn again."""
    global _key, _num_drawn
    _key, _num_drawn = state


@dataclass(frozen=True, kw_only=True)
class Mask:
    """One mask on the CPU, stored as what it is computed from: an element stays where 16 random bits are at least
    `threshold`.

    So the rate is rounded to a multiple of 2**-16; the scale is that of the rounded rate, and the mean stays exact.
    """

    key: int = 0
    threshold: int = 0
    scale: float = 1.0

    def factors(self, shape: list[int]) -> np.ndarray:
        """The mask times the scale, float32."""
        from . import kernels

        bits = kernels.mask_bits(np.uint64(self.key), math.prod(shape[:-1]), shape[-1])
        return np.where(bits >= self.threshold, np.float32(self.scale), np.float32(0)).reshape(shape)


@paddle.jit.not_to_static  # it counts, which the transcription into a program cannot
def draw_mask(rate: float, *, training: bool) -> Mask:
    """Return the next mask; one that keeps everything outside of training."""
    global _num_drawn
    if not training or rate == 0.0:
        return Mask()
    _num_drawn += 1
    threshold = round(rate * 65536)
    return Mask(key=_scatter(_key + _scatter(_num_drawn)), threshold=threshold, scale=65536 / (65536 - threshold))


def _scatter(value: int) -> int:
    # neighbours get keys that have nothing to do with each other
    return int(mix(np.array([value % (1 << 64)], np.uint64))[0])


def dropout(x: paddle.Tensor, rate: float, *, training: bool) -> paddle.Tensor:
    """In training, set a share of `rate` of the elements to 0 and scale the others; any shape."""
    mask = draw_mask(rate, training=training)
    if not training or rate == 0.0:
        return x
    if not x.place.is_cpu_place():
        return F.dropout(x, rate)
    return x * paddle.to_tensor(mask.factors(x.shape), dtype=x.dtype)
