"""Which parts of a classifier still have the random values that they started with.

The values themselves are compared, not calls counted: a tensor counts as set however it was set (a checkpoint, a
sub-layer's `set_state_dict`, an optimizer's step), and as untrained if a checkpoint did not have it or had another
shape.
"""

from __future__ import annotations

import warnings
import zlib

import numpy as np
import paddle
import paddle.nn as nn

from ..model.folder import CLASSIFIER, KIND_CLASSIFIER
from ..tasks.question_answering import QuestionAnswering
from ..tasks.task import Task

POOLER = "bert.pooler."
NEARLY_ZERO = 1e-30


class InitialValues:
    """The values that the random parts of a network started with.

    A bias starts at zero, and a loaded one can be zero too. So the initial one gets values near 1e-30, which compute
    the same as zeros. They depend on the random weights, so they are as reproducible as these.

    Args:
        network: the network of the task.
        task: the task of the module.
        has_new_classifier: True if the classifier is random.
    """

    def __init__(self, network: nn.Layer, *, task: Task, has_new_classifier: bool) -> None:
        self._arrays: dict[str, np.ndarray] = {}
        if not has_new_classifier:
            return
        parts: tuple[str, ...] = (CLASSIFIER, KIND_CLASSIFIER)
        if not network.bert.has_pooler and network.bert.pooler not in task.unused_layers(network):
            parts += (POOLER,)
        parameters = dict(network.named_parameters())
        for name, parameter in parameters.items():
            # a constant added to the scores of all positions changes no answer, so this bias may keep its value
            if name.startswith(parts) and not (name == f"{CLASSIFIER}bias" and isinstance(task, QuestionAnswering)):
                array = parameter.numpy()
                if not array.any():
                    weight = parameters[name.replace("bias", "weight")].numpy()
                    random = np.random.default_rng(zlib.crc32(weight.tobytes())).random(array.shape)
                    array = (NEARLY_ZERO * (1 + random)).astype(array.dtype)
                    parameter.set_value(array)
                self._arrays[name] = array

    def unchanged(self, network: nn.Layer) -> list[str]:
        """Return the names of the parameters that still have their initial values."""
        if not self._arrays:
            return []
        found = dict(network.named_parameters())
        self._arrays = {
            name: array for name, array in self._arrays.items() if name in found and _is_same(found[name], array)
        }
        return list(self._arrays)


def _is_same(parameter: paddle.Tensor, array: np.ndarray) -> bool:
    """Return True if a parameter has the values of an array.

    The array is rounded to the parameter's type.
    """
    if list(parameter.shape) != list(array.shape):
        return False
    rounded = paddle.to_tensor(array, place=paddle.CPUPlace()).astype(parameter.dtype).astype("float32")
    return rounded.numpy().tobytes() == parameter.detach().cpu().astype("float32").numpy().tobytes()


def warn_of_untrained(names: list[str], *, task: str | None) -> None:
    """Warn that a classifier is not trained, so that its results mean nothing."""
    if names:
        warnings.warn(
            f"the classifier of {task} is new and random ({', '.join(names)}): its results mean nothing until it is "
            f"trained. Train it, or load a checkpoint that has these tensors in this shape (load_checkpoint=FILE).",
            stacklevel=3,
        )
