"""The description of a network that a child process makes and traces (see `tracing`)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paddle.nn as nn

from ..model_config import ModelConfig
from ..tasks.task import Task

PACKAGE_ROOT = Path(__file__).resolve().parent.parent
PACKAGE = __name__.removesuffix(".hub.program_spec")  # has another name in the child


class Traced(enum.StrEnum):
    """The part of a network that becomes a program."""

    NETWORK = "network"  # (input_ids, …) to logits
    ALL_STATES = "all states"  # the encoder's
    FIRST_STATES = "first states"
    FORWARD = "forward"  # of the module: (input_ids, token_type_ids) to probabilities


@dataclass(frozen=True, kw_only=True)
class InputShape:
    """An input of a program. `shape`: None for any size."""

    name: str
    shape: tuple[int | None, ...] = (None, None)
    dtype: str = "int64"


@dataclass(frozen=True, kw_only=True)
class ProgramSpec:
    """What a child process needs to make a network and to trace it.

    Attributes:
        task_type: module and name of the task's class, as `type_name` returns them.
        labels: the labels of the task, as texts.
        inputs, pad_id: only for FORWARD: its inputs, and the id that marks padding.
    """

    task_type: str
    labels: tuple[str, ...]
    config: ModelConfig
    traced: Traced = Traced.NETWORK
    inputs: tuple[InputShape, ...] = ()
    pad_id: int = 0

    @staticmethod
    def of(task: Task, config: ModelConfig, **options: Any) -> ProgramSpec:
        """Describe the network that a task makes."""
        labels = tuple(map(str, task.labels))
        return ProgramSpec(task_type=type_name(type(task)), labels=labels, config=config, **options)


def relative_module(module: str) -> str:
    """Return the name of a module, such as ".hub.module" if it is of this package."""
    return module.removeprefix(PACKAGE) if module.startswith(f"{PACKAGE}.") else module


def type_name(kind: type) -> str:
    """Return "module:name" of a class, with the module as `relative_module`."""
    return f"{relative_module(kind.__module__)}:{kind.__qualname__}"


def layer_types(network: nn.Layer) -> tuple[tuple[str, str], ...]:
    """Return the name and the type of every layer of a network."""
    return tuple((name, type_name(type(layer))) for name, layer in network.named_sublayers())
