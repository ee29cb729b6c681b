"""The folder of a run: what is in it, and what it is bound to::

    run.json          what the run is bound to: fingerprints of config and shards, where the shards are
    recipe.yaml       the config with all its defaults
    index/            the example indices of every phase
    checkpoints/      step-00000300/ …
    model/            the finished model; PaddleNLP opens it
    metrics.jsonl  visualdl/  loss.png  baseline.json  logs/
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np

from ..config import RunConfig
from ..errors import CheckpointError, ConfigError
from ..files import atomic_write
from ..model.weights import read_json
from ..pretraining_data.examples import build_index, split_documents
from ..shards.reader import ShardSet
from .plan import count_parameters

RUN_NAME, RECIPE_NAME, TRAIN_DOCUMENTS_NAME = "run.json", "recipe.yaml", "index/train-documents.npy"
RUN_FORMAT = 1
BYTES_A_PARAMETER = 12  # of a checkpoint: the weights and two moments


def check_output(output: Path, *, may_hold_run: bool) -> dict | None:
    """The record of the run that the output folder holds, None where it holds nothing. Raises ConfigError when it may not be used."""
    existing = read_run(output)
    if existing is not None and not may_hold_run:
        raise ConfigError(
            f"{output}: holds a run already; add --resume auto to go on with it, --overwrite to discard it, or name another --output."
        )
    if existing is None and output.exists() and any(output.iterdir()):
        raise ConfigError(f"{output}: is not empty and holds no run; name another --output (it is not overwritten).")
    return existing


def read_run(output: Path) -> dict | None:
    """The record of the run in a folder, None where there is none."""
    if not (output / RUN_NAME).exists():
        return None
    return read_json(output / RUN_NAME)


def check_same_run(record: dict, *, fingerprint: str, shards: ShardSet, init_sha256: str | None, output: Path) -> None:
    """Raises CheckpointError naming all that differs from what the run is bound to."""
    faults = []
    if record.get("init_sha256") != init_sha256:
        faults.append("the weights that it started from differ (--init)")
    if record.get("shard_fingerprint") != shards.manifest.fingerprint:
        faults.append(f"the data differ (shards {record.get('shard_fingerprint', '?')[:12]} before, {shards.manifest.fingerprint[:12]} now)")
    if record.get("config_fingerprint") != fingerprint:
        faults.append(f"the recipe differs in what changes the numbers (compare {output / RECIPE_NAME})")
    if faults:
        raise CheckpointError(
            f"{output}: cannot be resumed: {'; '.join(faults)}. Resume with the same data, recipe and --init, "
            "or start another run with another --output."
        )


def check_space(output: Path, config: RunConfig) -> None:
    """Raises ConfigError when the checkpoints that will be kept do not fit on the disk."""
    needed = count_parameters(config.model) * BYTES_A_PARAMETER * (config.runtime.keep_checkpoints + 1)
    folder = next(parent for parent in (output, *output.resolve().parents) if parent.exists())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ConfigError(
            f"{folder}: {free / 1e9:.2f} GB are free, but the checkpoints of this model need about {needed / 1e9:.2f} GB; "
            "free some space, name another --output, or lower runtime.keep_checkpoints."
        )


def index_path(output: Path, number: int, side: str) -> Path:
    """The index file of a phase's "train" or "held_out" side."""
    return output / "index" / f"phase-{number}-{side}.npy"


def write_indices(output: Path, *, config: RunConfig, shards: ShardSet) -> None:
    """Set documents aside and build the index of every phase; prints what was counted on the way."""
    split = split_documents(shards, held_out_share=config.data.held_out_share)
    with atomic_write(output / TRAIN_DOCUMENTS_NAME) as stream:
        np.save(stream, split.train)
    for number, phase in enumerate(config.phases):
        for side in ("train", "held_out"):
            report: Counter = Counter()
            index = build_index(
                shards,
                documents=getattr(split, side),
                data=config.data,
                max_seq_length=phase.max_seq_length,
                seed=config.seed,
                report=report,
            )
            with atomic_write(index_path(output, number, side)) as stream:
                np.save(stream, index)
            counted = "".join(f", {count:,} {rule.replace('_', ' ')}" for rule, count in sorted(report.items()))
            name, num_documents = side.replace("_", "-"), len(getattr(split, side))
            print(f"phase {number}, {name}: {len(index):,} examples of {num_documents:,} documents{counted}", flush=True)
