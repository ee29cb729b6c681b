"""Helpers for training a module: the network's inputs, the names of a batch, the layers of parameters."""

from __future__ import annotations

import re
from typing import Any, Sequence

import paddle
import paddle.nn as nn

from ..errors import HubModuleError
from ..tasks.task import Task

_LAYER = re.compile(r"\bencoder\.layers\.(\d+)\.")


def network_inputs(
    input_ids: paddle.Tensor | None,
    token_type_ids: paddle.Tensor | None,
    attention_mask: paddle.Tensor | None,
    *,
    task: str | None,
    pad_id: int,
) -> list[paddle.Tensor]:
    """Return the network's inputs, with defaults for missing ones.

    Returns:
        input_ids, token_type_ids (default: 0) and attention_mask (default: True except at padding). Each has the shape
        (B, T); ids are int64, the mask is bool.

    Raises:
        HubModuleError: `input_ids` is missing.
    """
    if input_ids is None:
        raise HubModuleError(
            f"`forward` of {task} needs input_ids" + (", query_… and title_…." if task == "text-matching" else ".")
        )
    token_type_ids = paddle.zeros_like(input_ids) if token_type_ids is None else token_type_ids
    return [
        input_ids,
        token_type_ids,
        input_ids != pad_id if attention_mask is None else attention_mask.astype("bool"),
    ]


def forward_outputs(logits: paddle.Tensor, inputs: Sequence[paddle.Tensor], *, task: Task, network: nn.Layer) -> Any:
    """Return what a module's `forward` returns without labels.

    Returns:
        The probabilities; without a task, the hidden states (B, T, D) and the pooled states (B, D).
    """
    if task.name is None:
        return logits, network.bert.pooler(logits[:, 0])
    return task.probabilities(logits, attention_mask_of(inputs))


def attention_mask_of(inputs: Sequence[paddle.Tensor]) -> paddle.Tensor | None:
    """Return the attention mask (B, T); None for two towers, which have two."""
    return inputs[2] if len(inputs) == 3 else None


def named_batch(batch: Sequence[paddle.Tensor], *, task: str | None) -> dict[str, paddle.Tensor]:
    """Return the tensors of a batch by the names of `forward`; the last is the labels.

    Raises:
        HubModuleError: There is no task, or the batch has no labels.
    """
    if task is None:
        raise HubModuleError("training needs a task.")
    if task == "text-matching":
        names = ["query_input_ids", "query_token_type_ids", "title_input_ids", "title_token_type_ids"]
    else:
        names = ["input_ids", "token_type_ids"]
    if len(batch) <= len(names):
        raise HubModuleError(
            f"a batch of {task} must hold {', '.join(names)} and labels, but holds {len(batch)} tensors; do the data "
            f"have labels?"
        )
    return {**dict(zip(names, batch)), "labels": batch[-1]}


def encoder_layers(network: nn.Layer) -> dict[str, int]:
    """Return the encoder layer (from 0) of each parameter, by parameter name.

    Embeddings and heads are left out.
    """
    found = ((parameter.name, _LAYER.search(name)) for name, parameter in network.named_parameters())
    return {name: int(match[1]) for name, match in found if match}
