"""Choose how to compute: by calling Paddle's layers, which is the definition, or by compiled loops.

The loops are for training on the CPU in float32. They read the parameters of a layer and do not call it. So they are
used only for unchanged Paddle layers. A layer that was replaced (LoRA, quantisation) or that has a hook is called, and
so is the layer around it.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import Iterator, TypeVar

import paddle
import paddle.nn as nn

_exact = ContextVar("exact", default=False)  # of this thread: others may train at the same time
_own_types: set[type] = set()
Class = TypeVar("Class", bound=type[nn.Layer])


@contextlib.contextmanager
def exact() -> Iterator[None]:
    """Use only Paddle's own operations inside the `with` block, in this thread."""
    token = _exact.set(True)
    try:
        yield
    finally:
        _exact.reset(token)


def uses_kernels(x: paddle.Tensor, *, training: bool) -> bool:
    """Return True if compiled loops may compute with `x`.

    This is so in training, on the CPU, in float32 and outside of `exact`.
    """
    # inference uses Paddle, so that it does not need numba or wait for its first compilation
    is_trained = training or paddle.is_grad_enabled()
    return (
        paddle.in_dynamic_mode()
        and is_trained
        and not _exact.get()
        and x.place.is_cpu_place()
        and x.dtype == paddle.float32
    )


def made_of_layers(kind: Class) -> Class:
    """Mark a class of layers whose `forward` may be computed by other means.

    `is_plain` accepts layers of a marked class.
    """
    _own_types.add(kind)
    return kind


@paddle.jit.not_to_static  # it reads layers, not tensors
def is_plain(*layers: nn.Layer) -> bool:
    """Return True if calling these layers does only what their classes define.

    They and all layers inside them must have no hooks and no replaced `forward`. Their type must be exactly nn.Linear,
    nn.Embedding or nn.LayerNorm with the usual parameters, or a type that is marked by `made_of_layers`.
    """
    return all(is_plain_outside(layer) and is_plain(*layer.children()) for layer in layers)


def is_watched(layer: nn.Layer) -> bool:
    """Return True if a layer has hooks or a replaced `forward`."""
    own = vars(layer)
    return bool(
        layer._forward_pre_hooks or layer._forward_post_hooks or ("forward" in own and "recomputed_by" not in own)
    )


@paddle.jit.not_to_static
def is_plain_outside(layer: nn.Layer) -> bool:
    """Return True if a layer is plain, whatever layers are inside it."""
    if is_watched(layer):
        return False
    kind = type(layer)
    if kind is nn.Embedding:
        options = (layer._padding_idx, layer._max_norm, layer._scale_grad_by_freq or None, layer._sparse or None)
        return options == (None, None, None, None)
    if kind in (nn.Linear, nn.LayerNorm):
        return layer.weight is not None and layer.bias is not None
    return kind in _own_types
