"""What the model guesses for the masked pieces of some held-out examples, at the start and at the end of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F

from ..files import read_json, write_json
from ..model.heads import BertForPretraining
from ..pretraining_data.collate import collate
from ..pretraining_data.mixture import Mixture
from ..tokenization.vocab import Vocab
from .loader import tensors_of

NUM_EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Guesses:
    """An example, and the guesses of the model.

    Attributes:
        pieces: the pieces of the text before masking.
        inputs: the pieces that the model reads, at the predicted positions.
        positions: the predicted positions.
        guesses: the most probable piece at each of them.
        probabilities: its probability.
    """

    pieces: tuple[str, ...]
    inputs: tuple[str, ...]
    positions: tuple[int, ...]
    guesses: tuple[str, ...]
    probabilities: tuple[float, ...]


def guess(model: BertForPretraining, held_out: Mixture, *, vocab: Vocab) -> list[Guesses]:
    """Return the guesses for the first held-out examples. Nothing is drawn at random.

    Args:
        model: the model; it keeps its mode.
        held_out: the held-out data of a phase.
        vocab: the vocabulary.
    """
    pairs = held_out.take(np.arange(min(NUM_EXAMPLES, held_out.num_examples))).masked()
    was_training = model.training
    model.eval()
    found = []
    with paddle.no_grad():
        for example, masked in pairs:
            batch = tensors_of(collate([example], [masked], pad_id=vocab.pad_id))
            scores, _ = model(
                batch["input_ids"], batch["token_type_ids"], batch["attention_mask"], batch["flat_positions"], False
            )
            shares = F.softmax(scores.astype("float32"), axis=-1).numpy()
            positions = masked.masked_lm_positions.tolist()
            best = shares.argmax(-1)[: len(positions)]
            found.append(
                Guesses(
                    pieces=tuple(vocab.tokens[number] for number in example.input_ids.tolist()),
                    inputs=tuple(vocab.tokens[int(masked.input_ids[position])] for position in positions),
                    positions=tuple(positions),
                    guesses=tuple(vocab.tokens[number] for number in best.tolist()),
                    probabilities=tuple(round(float(shares[row, number]), 4) for row, number in enumerate(best)),
                )
            )
    if was_training:
        model.train()
    return found


def write_guesses(path: Path, guesses: list[Guesses], *, step: int) -> None:
    """Write guesses as JSON."""
    write_json(path, {"step": step, "examples": [asdict(item) for item in guesses]})


def read_guesses(path: Path) -> tuple[int, list[Guesses]] | None:
    """Read the step and the guesses; None if the file does not exist."""
    if not path.exists():
        return None
    record: dict[str, Any] = read_json(path)
    return int(record["step"]), [
        Guesses(**{name: tuple(values) for name, values in item.items()}) for item in record["examples"]
    ]
