"""The folder of a run: what is in it, and what it is bound to::

run.json          what the run is bound to: fingerprints of config and shards, where the shards are
recipe.yaml       the config with all its defaults
index/            the example indices of every phase
checkpoints/      step-00000300/ …
model/            the finished model; PaddleNLP opens it
metrics.jsonl  visualdl/  loss.png  baseline.json  logs/
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from pathlib import Path
from typing import Sequence

import numpy as np

from ..config import RunConfig, count_parameters
from ..errors import ConfigError
from ..files import atomic_write, check_space, read_json
from ..pretraining_data.examples import build_index, split_documents
from ..shards.reader import ShardSet

logger = logging.getLogger(__name__)

RUN_NAME, RECIPE_NAME, BASELINE_NAME = "run.json", "recipe.yaml", "baseline.json"
CHECKPOINTS_NAME, MODEL_NAME = "checkpoints", "model"
RUN_FORMAT = 1
BYTES_A_PARAMETER = 12  # of a checkpoint: the weights and two moments


def check_output(output: Path, *, may_hold_run: bool) -> dict | None:
    """The record of the run that the output folder holds, None where it holds nothing. Raises ConfigError when it may
    not be used.
    """
    existing = read_run(output)
    if existing is not None and not may_hold_run:
        raise ConfigError(
            f"{output}: holds a run already; add --resume auto to go on with it, --overwrite to discard it, "
            f"or name another --output."
        )
    if existing is None and output.exists() and any(output.iterdir()):
        raise ConfigError(f"{output}: is not empty and holds no run; name another --output (it is not overwritten).")
    return existing


def read_run(output: Path) -> dict | None:
    """The record of the run in a folder, None where there is none."""
    if not (output / RUN_NAME).exists():
        return None
    return read_json(output / RUN_NAME)


def joint_fingerprint(corpora: Sequence[ShardSet]) -> str:
    """The fingerprint of the data of a run: that of its corpus, or of all its corpora in their order."""
    fingerprints = [shards.manifest.fingerprint for shards in corpora]
    return fingerprints[0] if len(fingerprints) == 1 else hashlib.sha256("".join(fingerprints).encode()).hexdigest()


def differences(
    record: dict, *, fingerprint: str, corpora: Sequence[ShardSet], init_sha256: str | None, output: Path
) -> list[str]:
    """All in which a job differs from what the run in `output` is bound to, in words."""
    found = []
    if record.get("init_sha256") != init_sha256:
        found.append("the weights that it started from differ (--init)")
    if record.get("shard_fingerprint") != joint_fingerprint(corpora):
        before = ", ".join(
            f"{source.get('name')} {source.get('sha256', '')[:8]}" for source in record.get("sources", [])
        )
        now = ", ".join(
            f"{source['name']} {str(source['sha256'])[:8]}" for shards in corpora for source in shards.manifest.sources
        )
        found.append(f"the data differ (before: {before}; now: {now})")
    if record.get("config_fingerprint") != fingerprint:
        found.append(f"the recipe differs in what changes the numbers (compare {output / RECIPE_NAME})")
    return found


def check_space_for_checkpoints(output: Path, config: RunConfig) -> None:
    """Raise ConfigError if the checkpoints that will be kept do not fit on the disk."""
    num_parameters = count_parameters(config.model, with_pretraining_heads=True)
    check_space(
        output,
        num_bytes=num_parameters * BYTES_A_PARAMETER * (config.runtime.keep_checkpoints + 1),
        what=f"a run with {config.runtime.keep_checkpoints} checkpoints of this model",
        remedy="make room, name another --output, or lower runtime.keep_checkpoints",
        error=ConfigError,
    )


def index_path(output: Path, *, corpus: int, phase: int, side: str) -> Path:
    """The index file of the "train" or "held_out" side of a corpus in a phase."""
    return output / "index" / f"corpus-{corpus}-phase-{phase}-{side}.npy"


def train_documents_path(output: Path, *, corpus: int) -> Path:
    """The file of the numbers of the documents of a corpus that are trained on."""
    return output / "index" / f"corpus-{corpus}-train-documents.npy"


def write_indices(output: Path, *, config: RunConfig, corpora: Sequence[ShardSet]) -> None:
    """Set documents aside and build the index of every corpus and phase; log what was counted on the way."""
    for corpus, shards in enumerate(corpora):
        split = split_documents(shards, held_out_share=config.data.held_out_share)
        with atomic_write(train_documents_path(output, corpus=corpus)) as stream:
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
                with atomic_write(index_path(output, corpus=corpus, phase=number, side=side)) as stream:
                    np.save(stream, index)
                counted = "".join(f", {count:,} {rule.replace('_', ' ')}" for rule, count in sorted(report.items()))
                where = f"corpus {corpus}, " if len(corpora) > 1 else ""
                num_documents = len(getattr(split, side))
                logger.info(
                    f"{where}phase {number}, {side.replace('_', '-')}: {len(index):,} examples of "
                    f"{num_documents:,} documents{counted}"
                )
