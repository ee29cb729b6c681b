"""A fine-tuned repository that is fetched by its name keeps its head and its labels."""

from __future__ import annotations

import json

import numpy as np
import pytest

from paddle_wwm import fetch, load_model
from paddle_wwm.conversion.heads import HeadKind
from paddle_wwm.datasets.own_files import dataset_of_flags
from paddle_wwm.errors import CheckpointError
from paddle_wwm.finetuning.run import finetune
from paddle_wwm.hub import BertHubModule
from paddle_wwm.pretraining.run import pretrain

from ..conversion.fine_tuned import KINDS, LABELS, config_of, expected_logits, fine_tuned, inputs
from .conftest import record_of

NAME, KEY = "someone/my-classifier", "someone--my-classifier"
RECIPE = """
data: {pairing: full-sentences, held_out_share: 0.1, segmenter: whitespace}
phases: [{max_seq_length: 32, global_batch_size: 8, num_steps: 2, learning_rate: 1e-4}]
runtime: {micro_batch_size: 4, max_evaluation_examples: 32}
"""


@pytest.fixture
def publish(hub, tmp_path):
    """A function that puts a fine-tuned model of transformers on the hub."""

    def put(kind, **changes):
        folder = fine_tuned(tmp_path / "published", kind, **changes)
        hub.repositories[NAME] = {path.name: path.read_bytes() for path in folder.iterdir()}

    return put


@KINDS
def test_the_head_and_its_labels_are_kept(publish, quick, home, kind):
    publish(kind)
    folder = fetch(NAME, settings=quick)
    assert config_of(folder)["finetuning_task"] == kind.task
    assert tuple(config_of(folder).get("id2label", {}).values()) == LABELS[kind]
    assert any(f"head is kept: {kind.value}" in note for note in record_of(KEY, home)["notes"])
    np.testing.assert_allclose(load_model(NAME, task=kind.task)(*inputs()).numpy(), expected_logits(kind), atol=1e-5)
    assert load_model(NAME).bert is not None  # the encoder


def test_a_module_uses_the_fetched_model(publish, quick):
    publish(HeadKind.SEQUENCE)
    module = BertHubModule(task="seq-cls", weights=str(fetch(NAME, settings=quick)))
    assert module.predict([["t7 t9"]])[0] in LABELS[HeadKind.SEQUENCE]


def test_a_head_that_cannot_be_converted_leaves_the_encoder_and_a_note_with_the_reason(publish, quick, home):
    publish(HeadKind.SEQUENCE, problem_type="regression")
    folder = fetch(NAME, settings=quick)
    [note] = [note for note in record_of(KEY, home)["notes"] if note.startswith("Left out")]
    assert "classifier.bias, classifier.weight" in note and "`problem_type` must be" in note
    assert "finetuning_task" not in config_of(folder)
    load_model(folder)
    with pytest.raises(CheckpointError, match="was not fine-tuned"):
        load_model(folder, task="seq-cls")


def test_fine_tuning_and_pretraining_start_from_the_encoder_of_a_fetched_model(publish, quick, tmp_path):
    publish(HeadKind.SEQUENCE)
    fetch(NAME, settings=quick)
    for name in ("train", "dev"):
        (tmp_path / f"{name}.tsv").write_text("text_a\tlabel\nt7 t9\t1\nt8 t3\t0\n", encoding="utf-8")
    files = {name: tmp_path / f"{name}.tsv" for name in ("train", "dev")}
    task = dataset_of_flags(kind="classification", files=files)
    tuned = finetune(NAME, task=task, output=tmp_path / "tuned", num_epochs=1)
    values = json.loads((tuned.best_model / "config.json").read_text())
    assert list(values["id2label"].values()) == ["0", "1"]
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"t7 t{number} t11。\nt8 t3 t40。" for number in range(60)), encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    result = pretrain([text], output=tmp_path / "run", config=tmp_path / "recipe.yaml", init=NAME)
    assert "finetuning_task" not in config_of(result.output / "model")
    load_model(result.output, task="fill-mask")
