"""A fine-tuned model for prediction: its task, network and tokenizer, and how it reads examples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Sequence

import paddle
import paddle.nn as nn

from ..errors import CheckpointError
from ..files import read_json
from ..model.config_keys import READING_KEY
from ..model.folder import CONFIG_NAME, VOCAB_NAME, check_is_ours
from ..model.tokenizer_settings import read_do_lower_case
from ..model_config import ModelConfig
from ..tokenization.vocab import load_vocab
from ..tokenization.wordpiece import WordPieceTokenizer
from .examples import Example
from .model_folder import Description, load_network, read_description
from .programs import compute_outputs, dygraph_program, evaluating
from .results import Result
from .task import Reading, ResultOptions, Task
from .task_table import task_class

READING_NUMBERS = ("max_seq_length", "doc_stride", "max_question_len")


@dataclass(frozen=True, kw_only=True)
class FineTunedModel:
    """A network for prediction, and how it reads examples."""

    task: Task
    network: nn.Layer
    tokenizer: WordPieceTokenizer
    reading: Reading


def load_tokenizer(folder: Path, config: ModelConfig) -> WordPieceTokenizer:
    """Load the tokenizer of a model folder.

    Raises:
        CheckpointError: the vocabulary and the model have different sizes.
    """
    vocab = load_vocab(folder / VOCAB_NAME)
    if len(vocab) != config.vocab_size:
        raise CheckpointError(
            f"{folder}: {VOCAB_NAME} has {len(vocab)} entries, but the model has {config.vocab_size} "
            f"({CONFIG_NAME}), so it is another model's vocabulary. "
            "Copy the vocabulary that the model was trained with."
        )
    return WordPieceTokenizer(vocab=vocab, do_lower_case=read_do_lower_case(folder))


def load_task_network(folder: Path, *, description: Description, task: str) -> tuple[Task, nn.Layer]:
    """Load the network of a fine-tuned model folder.

    Raises:
        CheckpointError: the model is for another task, has no labels, or has no trained classifier.
    """
    kind = task_class(task)
    if description.task != task:
        is_what = f"was fine-tuned for {description.task}" if description.task else "was not fine-tuned"
        raise CheckpointError(
            f"{folder}: must be a model for {task}, but {is_what}; fine-tune one with paddle-wwm finetune."
        )
    of_task = kind(labels=tuple(str(label) for label in (description.label_map or {}).values()))
    if not of_task.labels and kind.needs_labels:
        raise CheckpointError(f"{folder / CONFIG_NAME}: has no id2label, so the number of classes is unknown.")
    network = of_task.make_network(description.config)
    if load_network(network, folder, untrained=description.untrained):
        raise CheckpointError(f"{folder}: the weights have no classifier, so fine-tuning was not finished.")
    return of_task, network


def load_finetuned(folder: Path, *, task: str, max_seq_length: int | None = None) -> FineTunedModel:
    """Load a fine-tuned model folder for prediction.

    Args:
        folder: written by `paddle-wwm finetune` or PaddleNLP, or the assets of a hub module.
        task: the name of the task that the model must be for.
        max_seq_length: the maximum tokens of a row. Longer examples are cut, or read in windows. None: the length
            that the model was fine-tuned with.

    Raises:
        CheckpointError, HubModuleError: the folder holds no model, or a model for another task.
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
    """Return the model's result for each example.

    Args:
        model: the fine-tuned model.
        examples: what to predict.
        options: see `ResultOptions`.
        on_batch: called after each batch with the number of finished rows and of all rows.
    """
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
