"""What a fine-tuned model predicts, for evaluation: exactly what it computes in training's precision, with any number
of workers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ...config import ModelConfig
from ...errors import CheckpointError
from ...files import read_json
from ...model.finetuned import load_network, read_description
from ...model.folder import CONFIG_NAME, TOKENIZER_CONFIG_NAME, VOCAB_NAME, check_is_ours
from ...model.networks import ANSWER_KINDS
from ...progress import Progress
from ...runs.fleet import World, sum_over_workers
from ...tokenization.vocab import load_vocab
from ...tokenization.wordpiece import WordPieceTokenizer
from ..reading_comprehension import DecodingConfig
from ..types import Example, TaskKind
from .features import Features, Reading, features_of
from .heads import TASK_NAMES, make_network, output_size, predictions_of, row_output
from .rows import batches_by_length

Predictions = dict[str, "str | tuple[str, ...]"]
READING_KEY = "finetuning_reading"  # in config.json: how examples were read in training, and so are in evaluation
READING_NUMBERS = ("max_seq_length", "doc_stride", "max_question_len")
CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 1024, 16_384  # what a layer makes of a batch stays in the processor's cache
MAX_ROWS = 1024  # of one batch
_EXCHANGED_NUMBERS = 1 << 22


@dataclass(frozen=True, kw_only=True)
class FineTunedModel:
    """A network that predicts, and how examples are read for it."""

    network: nn.Layer
    tokenizer: WordPieceTokenizer
    reading: Reading


def check_vocabulary(folder: Path, config: ModelConfig) -> WordPieceTokenizer:
    """The tokenizer of a model folder. Raises CheckpointError where the vocabulary is not the model's."""
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


def load_finetuned(folder: Path, *, kind: TaskKind, max_seq_length: int | None = None) -> FineTunedModel:
    """A fine-tuned model folder (of `paddle-wwm finetune`, PaddleNLP's, or the assets of a hub module), to predict
    with.

    max_seq_length: tokens an example is cut to, or read in windows of (default: as it was fine-tuned). Raises
    CheckpointError or HubModuleError for a folder that is none, or of another kind of task.
    """
    check_is_ours(folder)
    description = read_description(folder)
    if description.task != TASK_NAMES[kind]:
        is_what = f"was fine-tuned for {description.task}" if description.task else "was not fine-tuned"
        raise CheckpointError(
            f"{folder}: must be a model of {TASK_NAMES[kind]}, but {is_what}; fine-tune one with paddle-wwm finetune."
        )
    labels = tuple(str(label) for label in (description.label_map or {}).values())
    with_kinds = kind is TaskKind.READING_COMPREHENSION and labels == ANSWER_KINDS
    if kind is not TaskKind.READING_COMPREHENSION and not labels:
        raise CheckpointError(f"{folder / CONFIG_NAME}: has no id2label, so the classes have no names.")
    reading = Reading(
        kind=kind,
        labels=() if kind is TaskKind.READING_COMPREHENSION else labels,
        with_kinds=with_kinds,
        **_reading_numbers(folder, limit=description.config.max_position_embeddings, max_seq_length=max_seq_length),
    )
    network = make_network(description.config, reading=reading)
    if load_network(network, folder, untrained=description.untrained):
        raise CheckpointError(f"{folder}: the weights have no classifier; it was not fine-tuned to the end.")
    return FineTunedModel(network=network, tokenizer=check_vocabulary(folder, description.config), reading=reading)


def _reading_numbers(folder: Path, *, limit: int, max_seq_length: int | None) -> dict[str, int]:
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
    return found


def predict_examples(
    model: FineTunedModel,
    examples: Sequence[Example],
    *,
    decoding: DecodingConfig = DecodingConfig(),  # noqa: B008  (it is frozen)
    world: World = World(),  # noqa: B008
) -> Predictions:
    """Return the predictions of a model for examples, by their ids. Every worker must call it, and gets all."""
    features = features_of(examples, reading=model.reading, tokenizer=model.tokenizer, with_labels=False)
    outputs = compute_outputs(
        model.network, features, reading=model.reading, pad_id=model.tokenizer.vocab.pad_id, world=world
    )
    return predictions_of(examples, features, outputs, reading=model.reading, decoding=decoding)


def compute_outputs(
    network: nn.Layer,
    features: Features,
    *,
    reading: Reading,
    pad_id: int,
    world: World = World(),  # noqa: B008
    stage: str = "predict",
    progress: Callable[[Progress], None] | None = None,
    stop_asked: Callable[[], None] = lambda: None,
) -> list[np.ndarray]:
    """The network's output for every row, float32, of the shape of `heads.row_output`. The workers compute every
    world.size-th batch each.

    stop_asked is called between batches; it may raise.
    """
    rows = features.rows
    outputs: list[np.ndarray | None] = [None] * len(rows)
    on_cpu = paddle.get_device() == "cpu"
    batches = batches_by_length(
        rows, batch_size=MAX_ROWS, pad_id=pad_id, max_tokens=CPU_BATCH_TOKENS if on_cpu else GPU_BATCH_TOKENS
    )
    was_training, strided = network.training, paddle.get_flags("FLAGS_use_stride_kernel")
    paddle.set_flags({"FLAGS_use_stride_kernel": False})  # transposed views take Paddle's matrix product a sixth longer
    network.eval()
    num_done = 0
    try:
        with paddle.no_grad():
            for number, batch in enumerate(batches):
                if number % world.size == world.rank:
                    stop_asked()
                    computed = network(
                        *map(paddle.to_tensor, (batch.input_ids, batch.token_type_ids, batch.attention_mask))
                    ).numpy()
                    for index, output in zip(batch.indices, computed):
                        outputs[index] = row_output(output, rows[index], reading=reading).astype(np.float32)
                num_done += len(batch.indices)
                if progress and world.is_main:
                    progress(Progress(stage=stage, done=num_done, total=len(rows), unit=" rows"))
    finally:
        paddle.set_flags(strided)
        if was_training:
            network.train()
    if world.size == 1:
        return [output for output in outputs if output is not None]  # every one has been computed here
    return _exchanged(outputs, features, reading=reading, world=world)


def _exchanged(
    outputs: Sequence[np.ndarray | None], features: Features, *, reading: Reading, world: World
) -> list[np.ndarray]:
    """The outputs of all workers, on each: numbers plus nothing, so to the bit."""
    shapes = [output_size(row, reading=reading) for row in features.rows]
    sizes = [int(np.prod(shape)) for shape in shapes]
    flat = np.concatenate(
        [
            np.zeros(size) if output is None else output.reshape(-1).astype(np.float64)
            for output, size in zip(outputs, sizes)
        ]
    )
    parts = [
        sum_over_workers(flat[start : start + _EXCHANGED_NUMBERS], world)
        for start in range(0, len(flat), _EXCHANGED_NUMBERS)
    ]
    joined = np.concatenate(parts).astype(np.float32)
    return [part.reshape(shape) for part, shape in zip(np.split(joined, np.cumsum(sizes)[:-1]), shapes)]
