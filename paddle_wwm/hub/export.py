"""Export a module's `forward` as a static program. A child process makes it (see `tracing`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

import paddle.nn as nn

from ..compute.choice import is_watched
from ..errors import HubModuleError
from ..model.folder import VOCAB_NAME
from ..model_config import ModelConfig
from ..tasks.task import Task
from ..tokenization.vocab import Vocab
from .program_spec import InputShape, ProgramSpec, Traced
from .tracing import ChangedLayersError, save_program, trace

INPUTS_OF_TEXTS = ("input_ids", "token_type_ids")
INPUTS_OF_TOWERS = ("query_input_ids", "query_token_type_ids", "title_input_ids", "title_token_type_ids")


def export_program(
    network: nn.Layer,
    stem: Path,
    *,
    task: Task,
    config: ModelConfig,
    vocab: Vocab,
    input_spec: Sequence[Any] | None,
    weights: Path | None = None,
) -> Path:
    """Write a program: STEM.json, STEM.pdiparams (or `weights`), and vocab.txt.

    input_spec: the inputs of the program, as paddle.static.InputSpec; None: int64, any shape (B, T).
    Return the path of the first file.

    Raises:
        HubModuleError: The inputs are not those of `forward`, or layers have hooks or were replaced.
    """
    inputs = inputs_of(task, input_spec)
    check_no_hooks(network)
    spec = ProgramSpec.of(task, config, traced=Traced.FORWARD, inputs=inputs, pad_id=vocab.pad_id)
    stem.parent.mkdir(parents=True, exist_ok=True)
    save_program(network, trace(spec), stem, weights=weights)
    vocab.save(stem.parent / VOCAB_NAME)
    return stem.with_name(f"{stem.name}.json")


def check_no_hooks(network: nn.Layer) -> None:
    """Raise ChangedLayersError if a layer has hooks or a replaced `forward`."""
    watched = next((name for name, layer in network.named_sublayers(include_self=True) if is_watched(layer)), None)
    if watched is not None:
        raise ChangedLayersError(f"the layer {watched} has hooks, which a program does not call; remove them.")


def inputs_of(task: Task, input_spec: Sequence[Any] | None) -> tuple[InputShape, ...]:
    """Return the inputs of `forward`.

    Args:
        input_spec: As paddle.static.InputSpec; None: any shape (B, T).

    Raises:
        HubModuleError: There are not as many inputs as `forward` has.
    """
    names = INPUTS_OF_TOWERS if task.name == "text-matching" else INPUTS_OF_TEXTS
    if input_spec is None:
        return tuple(InputShape(name=name) for name in names)
    if len(input_spec) != len(names):
        raise HubModuleError(f"`input_spec` must describe {', '.join(names)}, but describes {len(input_spec)} inputs.")
    return tuple(
        InputShape(
            name=one.name or name,
            shape=tuple(None if size in (None, -1) else int(size) for size in one.shape),
            dtype=str(one.dtype).rpartition(".")[2].lower(),
        )
        for name, one in zip(names, input_spec)
    )
