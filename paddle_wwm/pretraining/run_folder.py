"""The folder of a pretraining run.

run.json          the record: fingerprints of config and shards, paths of the shards
recipe.yaml       the config with all its defaults
index/            the example indices of every phase
checkpoints/      step-00000300/ …
model/            the finished model; PaddleNLP can open it
metrics.jsonl  visualdl/  loss.png  report.html  baseline.json  guesses-*.json  not_finite-step-*.json
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np

from ..config import PretrainRecipe
from ..errors import ConfigError
from ..files import atomic_write, check_space
from ..model_config import count_parameters
from ..pretraining_data.examples import build_index, split_documents
from ..runs.folder import BYTES_PER_PARAMETER
from ..shards.reader import ShardSet

logger = logging.getLogger(__name__)

RECIPE_NAME, BASELINE_NAME, INDEX_NAME = "recipe.yaml", "baseline.json", "index"
CHECKPOINTS_NAME, MODEL_NAME = "checkpoints", "model"
METRICS_NAME, CURVES_NAME, VISUALDL_NAME = "metrics.jsonl", "loss.png", "visualdl"
PAGE_NAME, GUESSES_NAMES = "report.html", ("guesses-start.json", "guesses-end.json")
CONTENTS = (
    *(RECIPE_NAME, BASELINE_NAME, INDEX_NAME, CHECKPOINTS_NAME, MODEL_NAME),
    *(METRICS_NAME, CURVES_NAME, VISUALDL_NAME, "not_finite-step-*.json"),
    *(PAGE_NAME, *GUESSES_NAMES),
)
RUN_FORMAT = 1


def joint_fingerprint(corpora: Sequence[ShardSet], *, num_general: int = 0) -> str:
    """Return the fingerprint of the data of a run.

    It is the fingerprint of the corpus, or a joint one of several corpora in order. The last `num_general` corpora are
    general text.
    """
    fingerprints = [shards.manifest.fingerprint for shards in corpora]
    fingerprints += [f"general {num_general}"] if num_general else []
    return fingerprints[0] if len(fingerprints) == 1 else hashlib.sha256("".join(fingerprints).encode()).hexdigest()


def differences(before: Mapping[str, Any], now: Mapping[str, Any], *, output: Path) -> list[str]:
    """Return the differences between a job and the run in `output`, in words.

    Args:
        before: the record of the run.
        now: the record of the job.
        output: the folder of the run.
    """
    found = []
    if before.get("init_sha256") != now["init_sha256"]:
        found.append("the initial weights differ (--init)")
    if before.get("shard_fingerprint") != now["shard_fingerprint"]:
        names = [
            ", ".join(f"{source.get('name')} {str(source.get('sha256', ''))[:8]}" for source in record["sources"])
            for record in ({"sources": [], **before}, now)
        ]
        found.append(f"the data differ (before: {names[0]}; now: {names[1]})")
    if before.get("config_fingerprint") != now["config_fingerprint"]:
        found.append(f"the recipe differs in a setting that changes results (compare {output / RECIPE_NAME})")
    products = [record.get("products", "") for record in (before, now)]
    if all(products) and products[0] != products[1]:
        found.append(f"the library of the products differs (before: {products[0]}; now: {products[1]})")
    return found


def check_space_for_checkpoints(output: Path, config: PretrainRecipe) -> None:
    """Raise ConfigError if the checkpoints that will be kept do not fit on the disk."""
    num_parameters = count_parameters(config.model, with_pretraining_heads=True)
    check_space(
        output,
        num_bytes=num_parameters * BYTES_PER_PARAMETER * (config.runtime.keep_checkpoints + 1),
        what=f"a run with {config.runtime.keep_checkpoints} checkpoints of this model",
        remedy="free some disk space, choose another --output, or lower runtime.keep_checkpoints",
        error=ConfigError,
    )


def index_path(output: Path, *, corpus: int, phase: int, side: str) -> Path:
    """Return the path of the index of a corpus in a phase.

    Args:
        output: the folder of the run.
        corpus: the number of the corpus.
        phase: the number of the phase.
        side: "train" or "held_out".
    """
    return output / INDEX_NAME / f"corpus-{corpus}-phase-{phase}-{side}.npy"


def read_counts(output: Path, *, config: PretrainRecipe, num_corpora: int) -> list[int]:
    """Return the number of training examples of every phase.

    Only the first `num_corpora` corpora are counted. An index that does not exist counts 0.
    """
    paths = [
        [index_path(output, corpus=corpus, phase=number, side="train") for corpus in range(num_corpora)]
        for number in range(len(config.phases))
    ]
    return [sum(len(np.load(path, mmap_mode="r")) for path in phase if path.exists()) for phase in paths]


def train_documents_path(output: Path, *, corpus: int) -> Path:
    """Return the path of the file with the numbers of the training documents."""
    return output / INDEX_NAME / f"corpus-{corpus}-train-documents.npy"


def write_indices(output: Path, *, config: PretrainRecipe, corpora: Sequence[ShardSet]) -> None:
    """Split off the held-out documents, and write the index of every corpus and phase.

    The counts of examples are logged.
    """
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
