"""A fine-tuned model that predicts: its task, network and tokenizer, and how examples are read for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Sequence

import paddle
import paddle.nn as nn

from ..errors import CheckpointError
from ..files import read_json
from ..model.folder import CONFIG_NAME, TOKENIZER_CONFIG_NAME, VOCAB_NAME, check_is_ours
from ..model_config import ModelConfig
from ..tokenization.vocab import load_vocab
from ..tokenization.wordpiece import WordPieceTokenizer
from .examples import Example
from .model_folder import Description, load_network, read_description
from .programs import compute_outputs, dygraph_program, evaluating
from .results import Result
from .task import Reading, ResultOptions, Task
from .task_table import task_class

READING_KEY = "finetuning_reading"  # in config.json: how examples were read in training, and so are in evaluation
READING_NUMBERS = ("max_seq_length", "doc_stride", "max_question_len")


@dataclass(frozen=True, kw_only=True)
class FineTunedModel:
    """A network that predicts, and how examples are read for it."""

    task: Task
    network: nn.Layer
    tokenizer: WordPieceTokenizer
    reading: Reading


def load_tokenizer(folder: Path, config: ModelConfig) -> WordPieceTokenizer:
    """Load the tokenizer of a model folder. Raises CheckpointError where the vocabulary is not the model's."""
    vocab = load_vocab(folder / VOCAB_NAME)
    if len(vocab) != config.vocab_size:
        raise CheckpointError(
            f"{folder}: {VOCAB_NAME} has {len(vocab)} entries, but the model {config.vocab_size} "
            f"({CONFIG_NAME}): it is another model's vocabulary. "
            "Copy the one that the model was trained with."
        )
    path = folder / TOKENIZER_CONFIG_NAME
    do_lower_case = read_json(path).get("do_lower_case", True) if path.exists() else True
    return WordPieceTokenizer(vocab=vocab, do_lower_case=bool(do_lower_case))


def load_task_network(folder: Path, *, description: Description, task: str) -> tuple[Task, nn.Layer]:
    """Load the network of a fine-tuned model folder.

    Raises:
        CheckpointError: the folder's model is of another task, has no labels, or has no trained classifier.
    """
    kind = task_class(task)
    if description.task != task:
        is_what = f"was fine-tuned for {description.task}" if description.task else "was not fine-tuned"
        raise CheckpointError(
            f"{folder}: must be a model of {task}, but {is_what}; fine-tune one with paddle-wwm finetune."
        )
    of_task = kind(labels=tuple(str(label) for label in (description.label_map or {}).values()))
    if not of_task.labels and kind.needs_labels:
        raise CheckpointError(f"{folder / CONFIG_NAME}: has no id2label, so the number of classes is unknown.")
    network = of_task.make_network(description.config)
    if load_network(network, folder, untrained=description.untrained):
        raise CheckpointError(f"{folder}: the weights have no classifier; it was not fine-tuned to the end.")
    return of_task, network


def load_finetuned(folder: Path, *, task: str, max_seq_length: int | None = None) -> FineTunedModel:
    """Load a fine-tuned model folder to predict with.

    Args:
        folder: of `paddle-wwm finetune`, of PaddleNLP, or the assets of a hub module.
        task: the name of the task it must be of.
        max_seq_length: tokens an example is cut to, or read in windows of; None: as the model was fine-tuned.

    Raises:
        CheckpointError, HubModuleError: the folder holds no model, or one of another task.
    """
    check_is_ours(folder)
    description = read_description(folder)
    of_task, network = load_task_network(folder, description=description, task=task)
    limit = description.config.max_position_embeddings
    return FineTunedModel(
        task=of_task,
        network=network,
        tokenizer=load_tokenizer(folder, description.config),
        reading=_read_reading(folder, limit=limit, max_seq_length=max_seq_length),
    )


def _read_reading(folder: Path, *, limit: int, max_seq_length: int | None) -> Reading:
    recorded = read_json(folder / CONFIG_NAME).get(READING_KEY)
    found = {"max_seq_length": limit, **(recorded if isinstance(recorded, dict) else {})}
    if max_seq_length is not None:
        found["max_seq_length"] = max_seq_length
    for name, value in found.items():
        highest = limit if name == "max_seq_length" else 1 << 20
        if (
            name not in READING_NUMBERS
            or not isinstance(value, int)
            or not (8 if name == "max_seq_length" else 1) <= value <= highest
        ):
            raise CheckpointError(
                f"{folder}: `{name}` must be a number from 8 to the model's {limit} positions, but is "
                f"{value!r} ({READING_KEY})."
            )
    return Reading(**found)


def predict_examples(
    model: FineTunedModel,
    examples: Sequence[Example],
    *,
    options: ResultOptions = ResultOptions(),  # noqa: B008  (it is frozen)
    on_batch: Callable[[int, int], None] = lambda num_done, num_rows: None,
) -> Sequence[Result]:
    """Return a model's result for each example. `on_batch` gets the number of rows that are done, and of all."""
    features = model.task.encode(examples, tokenizer=model.tokenizer, reading=model.reading)
    with evaluating(model.network):
        outputs = compute_outputs(
            dygraph_program(model.network),
            features.rows,
            task=model.task,
            vocab=model.tokenizer.vocab,
            options=options,
            on_gpu=paddle.get_device() != "cpu",
            on_batch=lambda num_done: on_batch(num_done, len(features.rows)),
        )
        combined = model.task.combine(model.network, list(outputs))
    return model.task.results(examples, features=features, outputs=combined, tokenizer=model.tokenizer, options=options)
