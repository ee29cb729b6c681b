"""Mixed precision: 16-bit operations on GPUs, products of bfloat16 numbers on CPUs, and the loss scale of float16."""

from __future__ import annotations

import contextlib
from typing import ContextManager

import paddle

from ..compute.bf16 import bfloat16_products
from ..compute.onednn import has_amx, missing_bfloat16, version
from ..config import AmpConfig, AmpDtype, AmpLevel
from ..errors import ConfigError
from .devices import visible_gpus

FIRST_SCALE, LEAST_SCALE = 2.0**15, 1.0
GROWTH_INTERVAL_STEPS = 2000


def check_amp(amp: AmpConfig, *, on_gpu: bool) -> None:
    """Raise ConfigError if this machine cannot train in this precision.

    On the CPU, `auto_cast` silently does nothing. There, level O1 in bfloat16 uses the products of `compute.bf16`.
    """
    if amp.level is AmpLevel.O0 or on_gpu:
        return
    if amp.level is AmpLevel.O2 or amp.dtype is not AmpDtype.BFLOAT16:
        raise ConfigError(
            f"`amp` must be level O1 with dtype bfloat16, or level O0, on the CPU, but is level {amp.level.value} with "
            f"dtype {amp.dtype.value}, which are for GPUs. Set amp.level=O1 and amp.dtype=bfloat16, or amp.level=O0."
        )
    reason = missing_bfloat16()
    if reason:
        raise ConfigError(
            f"`amp.level` must be O0 here, but is {amp.level.value}: {reason}, so training would not become faster. "
            "Set amp.level=O0, or train on GPUs with a GPU build of Paddle."
        )


def products_of(amp: AmpConfig, *, on_gpu: bool) -> str:
    """Return what computes the products of a run, for its record.

    It is "" for Paddle's products of float32 numbers.
    """
    if amp.level is AmpLevel.O0:
        return ""
    return f"{amp.dtype.value} by " + ("Paddle" if on_gpu else f"oneDNN {version()}")


class Precision:
    """The precision of a run, and its loss scale.

    `loss_scale` is 1, except for float16. There it is a power of 2: it is halved when a gradient overflows, and
    doubled after GROWTH_INTERVAL_STEPS steps without an overflow.
    """

    def __init__(self, amp: AmpConfig = AmpConfig()) -> None:  # noqa: B008  (it is frozen)
        self.amp = amp
        self.on_gpu = bool(visible_gpus())
        self.is_scaled = amp.level is not AmpLevel.O0 and amp.dtype is AmpDtype.FLOAT16
        self.loss_scale = FIRST_SCALE if self.is_scaled else 1.0
        self._num_quiet_steps = 0

    def prepare(self, model: paddle.nn.Layer) -> None:
        """Check this machine, and convert the weights to 16 bits if the level is O2.

        The optimizer keeps 32-bit copies.

        Raises:
            ConfigError: this machine cannot train in this precision.
        """
        check_amp(self.amp, on_gpu=self.on_gpu)
        if self.amp.level is AmpLevel.O2:
            paddle.amp.decorate(models=model, level="O2", dtype=self.amp.dtype.value)

    @property
    def rounds_on_cpu(self) -> bool:
        """True if the CPU computes products of bfloat16 numbers."""
        return self.amp.level is not AmpLevel.O0 and not self.on_gpu

    def described(self) -> str:
        """Describe the numbers of the run in one line."""
        if self.amp.level is AmpLevel.O0:
            return "float32"
        units = "" if self.on_gpu else f" ({'AMX' if has_amx() else 'AVX512_BF16'})"
        weights = "weights" if self.amp.level is AmpLevel.O1 else "master weights"
        return f"products of {products_of(self.amp, on_gpu=self.on_gpu)}{units}, {weights} in float32"

    def products(self) -> ContextManager:
        """Return the context of both passes of a micro-batch.

        On the CPU, matrix products are computed in bfloat16 in it if the level is O1.
        """
        return bfloat16_products() if self.rounds_on_cpu else contextlib.nullcontext()

    def autocast(self) -> ContextManager:
        """Return the context of the forward pass.

        On a GPU, suitable operations are computed in 16 bits in it.
        """
        if self.amp.level is AmpLevel.O0 or not self.on_gpu:
            return contextlib.nullcontext()
        return paddle.amp.auto_cast(level=self.amp.level.value, dtype=self.amp.dtype.value)

    def may_skip(self) -> bool:
        """Return True if the loss scale may be the cause of a gradient overflow.

        The step is then skipped and the scale is halved.
        """
        return self.is_scaled and self.loss_scale > LEAST_SCALE

    def step_done(self, *, updated: bool) -> None:
        """Update the loss scale after a step."""
        if not self.is_scaled:
            return
        self._num_quiet_steps = self._num_quiet_steps + 1 if updated else 0
        if not updated:
            self.loss_scale = max(LEAST_SCALE, self.loss_scale / 2)
        elif self._num_quiet_steps == GROWTH_INTERVAL_STEPS:
            self.loss_scale, self._num_quiet_steps = self.loss_scale * 2, 0

    def state(self) -> dict[str, float]:
        """Return the state that a checkpoint holds."""
        return {"loss_scale": self.loss_scale, "num_quiet_steps": self._num_quiet_steps}

    def set_state(self, state: dict[str, float]) -> None:
        """Set the state from a checkpoint.

        The first scale is kept if the checkpoint was written in another precision.
        """
        if self.is_scaled and state.get("loss_scale", 1.0) > LEAST_SCALE:
            self.loss_scale, self._num_quiet_steps = float(state["loss_scale"]), int(state["num_quiet_steps"])
