"""Find the weights of the model in what a training program saved: {"state_dict": …, "epoch": 3, "optimizer": …}."""

from __future__ import annotations

import pickle
from typing import Any, Callable

from .tensors import Tensor

MODEL_KEYS = (  # under these keys, training programs save the weights of the model
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "network",
    "model_state",
    "weights",
    "params",
)
OTHER_KEYS = ("optim", "ema", "scheduler", "lr_sched", "scaler")  # beginnings of the keys of other tensors
MAX_DEPTH = 8
MAX_LISTED = 8


class StateDict(dict[str, Tensor]):
    """The tensors of a file by name.

    Attributes:
        wrappers: the keys that were opened to reach the tensors, from the outside to the inside.
        left_out: the keys next to these, such as "optimizer".
    """

    wrappers: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def unwrap(values: Any, *, is_tensor: Callable[[Any], bool]) -> tuple[Any, tuple[str, ...], tuple[str, ...]]:
    """Open mappings until the one with the tensors of the model is found.

    A mapping with tensors is the model, unless it has one of `MODEL_KEYS` with tensors inside, too.

    Returns:
        The mapping with tensors (or `values` if no mapping has tensors), the opened keys, and the keys next to them.

    Raises:
        pickle.UnpicklingError: several keys could hold the weights of the model.
    """
    wrappers: list[str] = []
    left_out: list[str] = []
    while isinstance(values, dict) and len(wrappers) < MAX_DEPTH:
        filled = [key for key, value in values.items() if _holds_tensors(value, is_tensor, set())]
        chosen = [key for key in filled if key in MODEL_KEYS]
        if not chosen and not any(map(is_tensor, values.values())):
            chosen = [key for key in filled if not str(key).lower().startswith(OTHER_KEYS)] or filled
        if not chosen:
            break
        if len(chosen) > 1:
            listed = ", ".join(str(key)[:40] for key in chosen[:MAX_LISTED])
            raise pickle.UnpicklingError(
                f"it holds tensors under several keys ({listed}), and none of them alone is the model; save the one "
                f"that you need: torch.save(checkpoint[{chosen[0]!r:.40}], FILE)"
            )
        left_out += [str(key)[:40] for key in values if key != chosen[0]]
        wrappers.append(str(chosen[0])[:40])
        values = values[chosen[0]]
    return values, tuple(wrappers), tuple(left_out)


def _holds_tensors(value: Any, is_tensor: Callable[[Any], bool], seen: set[int]) -> bool:
    """Return True if a mapping has a tensor at any depth.

    `seen` is needed because a hostile file can put a mapping into itself.
    """
    if not isinstance(value, dict) or id(value) in seen:
        return False
    seen.add(id(value))
    return any(is_tensor(item) or _holds_tensors(item, is_tensor, seen) for item in value.values())
