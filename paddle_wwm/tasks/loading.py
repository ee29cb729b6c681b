"""Load a network with its weights, from a folder or by a published model's name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Callable, Literal, overload

import paddle.nn as nn

from ..conversion.our_form import in_our_form
from ..download.finding import find_model
from ..errors import CheckpointError, ConfigError, HubModuleError
from ..model.folder import CLASSIFIER, KIND_CLASSIFIER, foreign_weights, model_folder_in, with_bert_in_front
from ..model.heads import BertForPretraining
from ..model.weights import load_arrays
from ..progress import Progress
from ..weights import WEIGHTS_NAME
from ..weights.pdparams import read_pdparams
from .fill_mask import FillMask
from .fine_tuned import load_task_network
from .model_folder import (
    MLM_HEAD,
    NSP_HEAD,
    POOLER,
    Description,
    read_description,
)
from .task_table import task_class

logger = logging.getLogger(__name__)
FILL_MASK = FillMask.name


@overload
def load_model(
    name_or_folder: str | Path,
    *,
    task: Literal["fill-mask"] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> BertForPretraining:
    """Load the encoder with the heads of pretraining."""


@overload
def load_model(
    name_or_folder: str | Path, *, task: str, progress: Callable[[Progress], None] | None = None
) -> nn.Layer:
    """Load the network of a task."""


def load_model(
    name_or_folder: str | Path, *, task: str | None = None, progress: Callable[[Progress], None] | None = None
) -> nn.Layer:
    """Load a Paddle network with its weights, in evaluation mode.

    Without a task the result is a `BertForPretraining`; its encoder is `.bert`. Many published models have no
    pretraining heads. A part is random if the folder does not have it, or if config.json lists it as untrained. A
    logged warning names these parts.

    Args:
        name_or_folder: a model folder of this package, transformers or PaddleNLP, the folder of a pretraining run, a
            hub module with weights, or the name of a published model. A published model is downloaded once. Weights of
            other programs are converted into a temporary folder.
        task: None, or the task that the model was fine-tuned for: "seq-cls", "multi-label", "token-cls",
            "text-matching" or "question-answering". "fill-mask" is like None, but requires a trained head for masked
            words.
        progress: called with the number of downloaded bytes.

    Returns:
        The network. The network of a task takes int64 `input_ids`, int64 `token_type_ids` and bool `attention_mask`
        (True: may be attended to), each of shape (batch_size, seq_len). It returns logits of shape
        (batch_size, num_classes) for texts, or (batch_size, seq_len, num_classes) for tokens.

    Raises:
        ConfigError: the task or the model's name is unknown.
        CheckpointError: the folder holds no model, or no trained head for the task.
        DownloadError: the model cannot be downloaded.

    Source:
        The networks and parameter names are those of PaddleNLP's BertFor… classes.

    Example:
        >>> from paddle_wwm import load_model
        >>> model = load_model("model")
        >>> model.training, model.config.num_hidden_layers
        (False, 2)
        >>> type(load_model("finetuned", task="seq-cls")).__name__
        'PooledNetwork'
    """
    try:
        task_class(task)
    except HubModuleError as error:
        raise ConfigError(str(error)) from None
    path = model_folder_in(Path(name_or_folder).expanduser())
    if path.exists() and foreign_weights(path) is not None:
        with in_our_form(path) as ours:
            for note in ours.notes:
                logger.debug("%s: %s", path, note)
            return _load(ours.folder, task=task)
    return _load(find_model(str(name_or_folder), progress=progress).folder, task=task)


def _load(folder: Path, *, task: str | None) -> nn.Layer:
    description = read_description(folder)
    if task is None or task == FILL_MASK:
        network: nn.Layer = _pretraining_network(folder, description, needs_mlm_head=task == FILL_MASK)
    else:
        _, network = load_task_network(folder, description=description, task=task)
    network.eval()
    return network


def _pretraining_network(folder: Path, description: Description, *, needs_mlm_head: bool) -> BertForPretraining:
    model = BertForPretraining(description.config)
    source = folder / WEIGHTS_NAME
    arrays = {
        name: array
        for name, array in with_bert_in_front(read_pdparams(source)).items()
        if not name.startswith((CLASSIFIER, KIND_CLASSIFIER))
    }
    parts = (POOLER, MLM_HEAD, NSP_HEAD)
    absent = load_arrays(model, arrays, source=source, optional=parts)
    new = [
        part.rstrip(".")
        for part in parts
        if part.rstrip(".") in description.untrained or any(name.startswith(part) for name in absent)
    ]
    model.bert.has_pooler = POOLER.rstrip(".") not in new
    if needs_mlm_head and MLM_HEAD.rstrip(".") in new:
        raise CheckpointError(
            f"{source}: fill-mask needs a trained head for masked words ({MLM_HEAD.rstrip('.')}), which these weights "
            f"lack. Pretrain further with paddle-wwm pretrain --init {folder}, or use task=None."
        )
    if new:
        logger.warning("%s: has no trained %s; these parts are random until they are trained", folder, ", ".join(new))
    return model
