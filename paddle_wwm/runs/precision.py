"""Mixed precision on GPUs: 16-bit operations, and the loss scale that float16 needs."""

from __future__ import annotations

import contextlib
from typing import ContextManager

import paddle

from ..config import AmpConfig, AmpDtype, AmpLevel
from ..errors import ConfigError

FIRST_SCALE, LEAST_SCALE = 2.0**15, 1.0
GROWTH_INTERVAL_STEPS = 2000


def check_amp(amp: AmpConfig, *, on_gpu: bool) -> None:
    """Raise ConfigError if mixed precision is set on the CPU.

    Paddle's CPU kernels have no 16-bit matrix products, and `auto_cast` silently does nothing there.
    """
    if amp.level is not AmpLevel.O0 and not on_gpu:
        raise ConfigError(
            f"`amp.level` must be O0 on the CPU, but is {amp.level.value}: Paddle has no 16-bit matrix products "
            "there, so training would not become faster. Set amp.level=O0, or train on GPUs with a GPU build of Paddle."
        )


class Precision:
    """The precision of a run, and its loss scale.

    `loss_scale` is 1, except for float16. There it is a power of 2: it is halved when a gradient overflows, and
    doubled after GROWTH_INTERVAL_STEPS steps without an overflow.
    """

    def __init__(self, amp: AmpConfig = AmpConfig()) -> None:  # noqa: B008  (it is frozen)
        self.amp = amp
        self.is_scaled = amp.level is not AmpLevel.O0 and amp.dtype is AmpDtype.FLOAT16
        self.loss_scale = FIRST_SCALE if self.is_scaled else 1.0
        self._num_quiet_steps = 0

    def prepare(self, model: paddle.nn.Layer) -> None:
        """Convert the weights of the model to 16 bits if the level is O2.

        The optimizer keeps 32-bit copies.
        """
        if self.amp.level is AmpLevel.O2:
            paddle.amp.decorate(models=model, level="O2", dtype=self.amp.dtype.value)

    def autocast(self) -> ContextManager:
        """Return a context in which suitable operations are computed in 16 bits."""
        if self.amp.level is AmpLevel.O0:
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
