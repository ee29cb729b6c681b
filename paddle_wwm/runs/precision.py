"""Mixed precision on GPUs: what is computed in 16 bits, and the loss scale that float16 needs."""

from __future__ import annotations

import contextlib
from typing import ContextManager

import paddle

from ..config import AmpConfig, AmpDtype, AmpLevel
from ..errors import ConfigError

FIRST_SCALE, LEAST_SCALE = 2.0**15, 1.0
GROWTH_INTERVAL_STEPS = 2000


def check_amp(amp: AmpConfig, *, on_gpu: bool) -> None:
    """Raises ConfigError where Paddle would do nothing: its CPU kernels have no 16-bit products, and `auto_cast`
    passes over them silently.
    """
    if amp.level is not AmpLevel.O0 and not on_gpu:
        raise ConfigError(
            f"`amp.level` must be O0 on the CPU, but is {amp.level.value}: Paddle has no 16-bit matrix "
            f"products there, so nothing would "
            "become faster. Set amp.level=O0, or train on GPUs with a Paddle build for them."
        )


class Precision:
    """How a run computes. `loss_scale` is 1 except for float16: a power of 2 that halves when a gradient overflows,
    and grows in quiet times.
    """

    def __init__(self, amp: AmpConfig = AmpConfig()) -> None:  # noqa: B008  (it is frozen)
        self.amp = amp
        self.is_scaled = amp.level is not AmpLevel.O0 and amp.dtype is AmpDtype.FLOAT16
        self.loss_scale = FIRST_SCALE if self.is_scaled else 1.0
        self._num_quiet_steps = 0

    def prepare(self, model: paddle.nn.Layer) -> None:
        """Give the model 16-bit weights where O2 asks for them; the optimizer keeps 32-bit copies."""
        if self.amp.level is AmpLevel.O2:
            paddle.amp.decorate(models=model, level="O2", dtype=self.amp.dtype.value)

    def autocast(self) -> ContextManager:
        """Inside, the operations that gain by it are computed in 16 bits."""
        if self.amp.level is AmpLevel.O0:
            return contextlib.nullcontext()
        return paddle.amp.auto_cast(level=self.amp.level.value, dtype=self.amp.dtype.value)

    def may_skip(self) -> bool:
        """Whether a gradient that is not finite may be the loss scale's fault: then the step is left out and the scale
        halved.
        """
        return self.is_scaled and self.loss_scale > LEAST_SCALE

    def step_done(self, *, updated: bool) -> None:
        """Adapt the loss scale after a step."""
        if not self.is_scaled:
            return
        self._num_quiet_steps = self._num_quiet_steps + 1 if updated else 0
        if not updated:
            self.loss_scale = max(LEAST_SCALE, self.loss_scale / 2)
        elif self._num_quiet_steps == GROWTH_INTERVAL_STEPS:
            self.loss_scale, self._num_quiet_steps = self.loss_scale * 2, 0

    def state(self) -> dict[str, float]:
        """What a checkpoint keeps."""
        return {"loss_scale": self.loss_scale, "num_quiet_steps": self._num_quiet_steps}

    def set_state(self, state: dict[str, float]) -> None:
        """The reverse; a run that was computed otherwise before starts with the first scale."""
        if self.is_scaled and state.get("loss_scale", 1.0) > LEAST_SCALE:
            self.loss_scale, self._num_quiet_steps = float(state["loss_scale"]), int(state["num_quiet_steps"])
