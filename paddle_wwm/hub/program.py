"""A network as a function from arrays to one array: what `predict` calls for every batch."""

from __future__ import annotations

from typing import Callable

import numpy as np
import paddle

from .task import Program


def dygraph_program(network: Callable[..., paddle.Tensor]) -> Program:
    """The network as it is, without gradients. Dropout is the network's affair: call its `eval` first."""

    def run(*arrays: np.ndarray) -> np.ndarray:
        with paddle.no_grad():
            return network(*map(paddle.to_tensor, arrays)).numpy()

    return run
