"""What a module's training reads: the network's inputs, a batch of hub.Trainer's by name, the layers of parameters."""

from __future__ import annotations

import re
from typing import Sequence

import paddle
import paddle.nn as nn

from ..errors import HubModuleError

_LAYER = re.compile(r"\bencoder\.layers\.(\d+)\.")


def network_inputs(
    input_ids: paddle.Tensor | None,
    token_type_ids: paddle.Tensor | None,
    attention_mask: paddle.Tensor | None,
    *,
    task: str | None,
    pad_id: int,
) -> list[paddle.Tensor]:
    """Fill in what a caller left out: type 0, and attention to all but padding. Raises HubModuleError without ids."""
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


def named_batch(batch: Sequence[paddle.Tensor], *, task: str | None) -> dict[str, paddle.Tensor]:
    """Name the tensors of a batch as `forward` does; the last is the labels. Raises HubModuleError for a batch without
    labels.
    """
    if task is None:
        raise HubModuleError("training needs a task.")
    if task == "text-matching":
        names = ["query_input_ids", "query_token_type_ids", "title_input_ids", "title_token_type_ids"]
    else:
        names = ["input_ids", "token_type_ids"]
    if len(batch) <= len(names):
        raise HubModuleError(
            f"a batch of {task} must hold {', '.join(names)} and labels, but holds {len(batch)}; have the data labels?"
        )
    return {**dict(zip(names, batch)), "labels": batch[-1]}


def encoder_layers(network: nn.Layer) -> dict[str, int]:
    """Parameter name -> the number of its encoder layer, from 0. Embeddings and heads are in none."""
    found = ((parameter.name, _LAYER.search(name)) for name, parameter in network.named_parameters())
    return {name: int(match[1]) for name, match in found if match}
