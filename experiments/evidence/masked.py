"""Masked-piece and masked-word accuracy of the pretrained models.

Every model is measured under both maskings, on the same held-out documents and masks.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from paddle_wwm.config import PretrainRecipe
from paddle_wwm.files import atomic_write, write_json
from paddle_wwm.masking_config import MaskingStrategy
from paddle_wwm.pretraining_data.collate import PretrainData
from paddle_wwm.pretraining_data.examples import build_index, split_documents
from paddle_wwm.pretraining_data.mixture import Mixture
from paddle_wwm.shards.reader import ShardSet

from .experiment import PRETRAINED, Arm, EvidenceConfig, model_name

EVALUATION_SEED = 20_260  # seed of the examples and masks; no training run uses it
INDEX_NAME = "held-out.npy"


def measure_masked(config: EvidenceConfig, *, shards: ShardSet) -> None:
    """Measure all models without a result, and write one JSON file per model."""
    missing = [(arm, seed) for arm, seed in config.pretrained() if not _is_measured(config, arm, seed)]
    if not missing:
        return
    run = dataclasses.replace(
        config.arm_config(PRETRAINED[0], config.seeds[0], vocab_size=shards.manifest.vocab_size), seed=EVALUATION_SEED
    )
    index_path = config.output / "masked" / INDEX_NAME
    _write_index(index_path, shards=shards, run=run)
    tensors = {
        arm: _tensors(
            _masked_as(run, arm, num_examples=config.evaluation_examples), shards=shards, index_path=index_path
        )
        for arm in PRETRAINED
    }
    for arm, seed in missing:
        found = {
            masking.value: _accuracies(config.model_path(arm, seed), run, batches=batches)
            for masking, batches in tensors.items()
        }
        write_json(
            config.masked_path(arm, seed), {"evaluation_examples": config.evaluation_examples, "maskings": found}
        )
        summary = "; ".join(
            f"{name}: pieces {values['masked_accuracy']:.2%}, words {values['word_accuracy']:.2%}"
            for name, values in found.items()
        )
        print(f"  {model_name(arm, seed)}: {summary}", flush=True)


def read_masked(config: EvidenceConfig, arm: Arm, seed: int) -> dict[str, dict[str, float]]:
    """Return masking -> measure -> value of a model; empty if it was not measured yet."""
    path = config.masked_path(arm, seed)
    return json.loads(path.read_text(encoding="utf-8"))["maskings"] if path.exists() else {}


def _is_measured(config: EvidenceConfig, arm: Arm, seed: int) -> bool:
    path = config.masked_path(arm, seed)
    return (
        path.exists()
        and json.loads(path.read_text(encoding="utf-8"))["evaluation_examples"] == config.evaluation_examples
    )


def _write_index(path: Path, *, shards: ShardSet, run: PretrainRecipe) -> None:
    held_out = split_documents(shards, held_out_share=run.data.held_out_share).held_out
    length = run.phases[-1].max_seq_length
    index = build_index(
        shards, documents=held_out, data=run.data, max_seq_length=length, seed=run.seed, report=Counter()
    )
    with atomic_write(path) as stream:
        np.save(stream, index)


def _masked_as(run: PretrainRecipe, arm: Arm, *, num_examples: int) -> PretrainRecipe:
    return dataclasses.replace(
        run,
        masking=dataclasses.replace(run.masking, strategy=MaskingStrategy(arm.value)),
        runtime=dataclasses.replace(run.runtime, max_evaluation_examples=num_examples),
    )


def _tensors(run: PretrainRecipe, *, shards: ShardSet, index_path: Path) -> list[Any]:
    from paddle_wwm.pretraining.evaluation import evaluation_tensors, held_out_batches
    from paddle_wwm.runs.fleet import World

    data = PretrainData(shards=shards, vocab=shards.vocab(), index_path=index_path, masking=run.masking, seed=run.seed)
    return evaluation_tensors(held_out_batches(run, Mixture(sources=(data,)), World()))


def _accuracies(model_path: Path, run: PretrainRecipe, *, batches: list[Any]) -> dict[str, float]:
    import paddle

    from paddle_wwm.model.heads import BertForPretraining
    from paddle_wwm.model.weights import load_weights
    from paddle_wwm.pretraining.evaluation import evaluate
    from paddle_wwm.runs.fleet import World

    paddle.set_flags({"FLAGS_use_stride_kernel": False})  # as in training: faster, with equal results
    model = BertForPretraining(run.model)
    load_weights(model, model_path)
    return {
        **evaluate(model, batches, world=World()),
        "num_pieces": float(sum(len(batch["word_numbers"]) for batch in batches)),
        "num_words": float(sum(len(np.unique(batch["word_numbers"].numpy())) for batch in batches)),
    }
