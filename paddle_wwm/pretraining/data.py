"""The data of a run: the corpora, the training and held-out data of every phase, and the batches of every step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import numpy as np

from ..config import PretrainRecipe
from ..pretraining_data.collate import PretrainData, Taken, deal
from ..pretraining_data.mixture import Mixture, seed_of, weights_with_general
from ..runs.fleet import World
from ..shards.reader import ShardSet
from ..tokenization.vocab import Vocab
from .loader import Tensors, step_batches
from .run_folder import index_path, train_documents_path

HELD_OUT_SEED_OFFSET = 1  # held-out masks are drawn once, with another seed than those of training


@dataclass(frozen=True, kw_only=True)
class PhaseData:
    """The training data and the held-out data of a phase.

    Attributes:
        train: all corpora.
        held_out: the corpora that are not general text. Their loss chooses the model.
        general_held_out: general text; None without general text. Its loss shows what the model forgets.
    """

    train: Mixture
    held_out: Mixture
    general_held_out: Mixture | None = None


@dataclass(frozen=True, kw_only=True)
class RunData:
    """The data of a run.

    Attributes:
        corpora: the prepared corpora; those of general text come last.
        num_general: the number of corpora of general text.
        train_documents: int64 (D,) for every corpus, the numbers of its training documents.
        vocab: the vocabulary of all corpora.
        phases: the data of every phase.
        shard_fingerprint: the fingerprint of the corpora.
        config_fingerprint: the fingerprint of the settings that change results.
        known_states: the (config, shards) fingerprints that checkpoints of this run may have.
        init: a model folder to start from.
        init_layers: the number of layers to take from `init`; None for all.
    """

    corpora: tuple[ShardSet, ...]
    train_documents: tuple[np.ndarray, ...]
    vocab: Vocab
    phases: tuple[PhaseData, ...]
    shard_fingerprint: str
    config_fingerprint: str
    known_states: frozenset[tuple[str, str]]
    init: Path | None
    init_layers: int | None
    num_general: int = 0


def open_run_data(
    config: PretrainRecipe,
    *,
    output: Path,
    corpora: tuple[ShardSet, ...],
    record: dict,
    init: Path | None,
    init_layers: int | None,
) -> RunData:
    """Open the data of the run in the folder `output`.

    Args:
        config: the recipe.
        output: the folder of the run.
        corpora: its corpora.
        record: its record (run.json).
        init: a model folder to start from.
        init_layers: the number of layers to take from `init`; None for all.
    """
    vocab = corpora[0].vocab()
    num_general = int(record.get("num_general", 0))
    num_main = len(corpora) - num_general
    weights = config.data.mixture_weights

    def sources(phase: int, side: str, seed: int) -> tuple[PretrainData, ...]:
        return tuple(
            PretrainData(
                shards=shards,
                vocab=vocab,
                index_path=index_path(output, corpus=corpus, phase=phase, side=side),
                masking=config.masking,
                seed=seed_of(seed, corpus),
            )
            for corpus, shards in enumerate(corpora)
        )

    def phase_data(phase: int) -> PhaseData:
        train = sources(phase, "train", config.seed)
        held_out = sources(phase, "held_out", config.seed + HELD_OUT_SEED_OFFSET)
        all_weights = weights_with_general(
            [source.num_examples for source in train],
            weights=weights,
            num_general=num_general,
            general_share=config.data.general_share,
        )
        return PhaseData(
            train=Mixture(sources=train, weights=all_weights),
            held_out=Mixture(sources=held_out[:num_main], weights=weights),
            general_held_out=Mixture(sources=held_out[num_main:]) if num_general else None,
        )

    return RunData(
        corpora=corpora,
        train_documents=tuple(np.load(train_documents_path(output, corpus=corpus)) for corpus in range(len(corpora))),
        vocab=vocab,
        phases=tuple(map(phase_data, range(len(config.phases)))),
        shard_fingerprint=record["shard_fingerprint"],
        config_fingerprint=record["config_fingerprint"],
        known_states=frozenset(map(tuple, record.get("known_states", [])))
        | {(record["config_fingerprint"], record["shard_fingerprint"])},
        init=init,
        init_layers=init_layers,
        num_general=num_general,
    )


def phase_of(config: PretrainRecipe, step: int) -> tuple[int, int]:
    """Return the number of the phase of a step, and the step within the phase.

    The step after the last one also belongs to the last phase.
    """
    for number, phase in enumerate(config.phases):
        if step < phase.num_steps or number == len(config.phases) - 1:
            return number, step
        step -= phase.num_steps
    raise AssertionError("a config has at least one phase")


def batches_of_phase(
    config: PretrainRecipe, number: int, *, data: RunData, first_step: int, world: World
) -> Iterator[list[Tensors]]:
    """Return an iterator over the micro-batches of this worker in a phase.

    It starts at step `first_step` of the phase.
    """
    phase = config.phases[number]
    return step_batches(
        data.phases[number].train,
        first_step=first_step,
        stop=phase.num_steps,
        global_batch_size=phase.global_batch_size,
        micro_batch_size=config.runtime.micro_batch_size,
        world=world,
        num_processes=config.runtime.num_loader_processes,
    )


def examples_of_step(
    config: PretrainRecipe, number: int, step: int, *, data: RunData, num_workers: int
) -> list[list[list[dict[str, object]]]]:
    """Return references to the examples of step `step` of phase `number`.

    Returns:
        [worker][micro-batch], each a list of references. A reference has the folder of the `corpus`, the number of the
        `example` in the index of that corpus and phase, the `epoch`, and the position of its `first_token` in the
        shards.
    """
    size = config.phases[number].global_batch_size
    taken = data.phases[number].train.take(np.arange(step * size, (step + 1) * size))
    cut = {"micro_batch_size": config.runtime.micro_batch_size, "num_ranks": num_workers}
    return [[_references(part, data=data) for part in deal(taken, rank=rank, **cut)] for rank in range(num_workers)]


def _references(taken: Taken, *, data: RunData) -> list[dict[str, object]]:
    columns = (taken.sources, taken.indices, taken.epochs, taken.rows["first_start"])
    return [
        {
            "corpus": str(data.corpora[source].directory.resolve()),
            "example": example,
            "epoch": epoch,
            "first_token": first,
        }
        for source, example, epoch, first in zip(*(column.tolist() for column in columns))
    ]
