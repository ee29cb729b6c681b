"""Fine-tuned heads are converted between transformers, PaddleNLP, TensorFlow and our folders, with their labels.

The hidden states come from the reference that transformers computed; each head is one product on top of them.
"""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddlenlp import transformers as paddlenlp

from paddle_wwm import load_model
from paddle_wwm.conversion.heads import TASK_NAMES, HeadKind
from paddle_wwm.conversion.opening import open_model
from paddle_wwm.conversion.verify import verify
from paddle_wwm.errors import CheckpointError, ConfigError
from paddle_wwm.tasks.task_table import TASKS

from .fine_tuned import (
    KINDS,
    LABELS,
    LAYER,
    OUR_KINDS,
    SIZES,
    config_of,
    expected_logits,
    fine_tuned,
    fine_tuned_here,
    head_arrays,
    inputs,
)
from .sources import HF_FOLDER, bits_of, converted, hf_arrays

TOLERANCE = 1e-5


def test_every_kind_of_head_is_a_task_with_the_same_class():
    assert set(TASK_NAMES) == {name for name, task in TASKS.items() if task.has_classifier}
    for kind in HeadKind:
        assert kind.architecture == TASKS[kind.task].architecture
        assert kind.has_labels == TASKS[kind.task].needs_labels
        assert kind.reads_pooler == TASKS[kind.task](labels=LABELS[kind]).reads_pooler


# ---- Outputs and bits


@pytest.mark.parity
@KINDS
def test_a_converted_head_gives_the_outputs_of_transformers(tmp_path, kind):
    result = converted(fine_tuned(tmp_path / "hf", kind), tmp_path / "out")
    network = load_model(tmp_path / "out", task=kind.task)
    np.testing.assert_allclose(network(*inputs()).numpy(), expected_logits(kind), atol=TOLERANCE)
    assert config_of(tmp_path / "out")["finetuning_task"] == kind.task
    assert config_of(tmp_path / "out").get("id2label", {}) == dict(zip("0123", LABELS[kind]))
    assert result.made_anew == (() if kind.reads_pooler else ("bert.pooler",))


@pytest.mark.parity
@KINDS
def test_paddlenlps_own_class_opens_a_converted_head_without_a_missing_key(tmp_path, kind, caplog):
    converted(fine_tuned(tmp_path / "hf", kind), tmp_path / "out")
    with caplog.at_level("WARNING", logger="PaddleNLP"):
        network = getattr(paddlenlp, kind.architecture).from_pretrained(str(tmp_path / "out"))
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []
    network.eval()
    ids, types, mask = inputs()
    with paddle.no_grad():
        found = network(ids, token_type_ids=types, attention_mask=mask)
    logits = np.stack([one.numpy() for one in found], -1) if kind is HeadKind.ANSWERS else found.numpy()
    np.testing.assert_allclose(logits, expected_logits(kind), atol=TOLERANCE)
    if kind.has_labels:
        assert network.config.id2label == dict(enumerate(LABELS[kind]))


@KINDS
@pytest.mark.parametrize("way", ["paddle", "tensorflow", "huggingface"])
@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_a_round_trip_keeps_all_bits_and_the_labels(tmp_path, kind, way, dtype):
    source = fine_tuned(tmp_path / "hf", kind)
    converted(source, tmp_path / "way", to=way, dtype=dtype)
    converted(tmp_path / "way", tmp_path / "back", to="huggingface")
    converted(source, tmp_path / "direct", to="huggingface", dtype=dtype)
    assert bits_of(open_model(tmp_path / "back")) == bits_of(open_model(tmp_path / "direct"))
    assert config_of(tmp_path / "back") == config_of(tmp_path / "direct")
    assert set(open_model(tmp_path / "back").tensors) == set(open_model(source).tensors)


@pytest.mark.parity
@KINDS
def test_a_folder_of_paddlenlp_is_converted_and_gives_the_same_outputs(tmp_path, kind):
    paddle.seed(3)
    labels = LABELS[kind]
    options = {"id2label": dict(enumerate(labels)), "label2id": {b: a for a, b in enumerate(labels)}} if labels else {}
    config = paddlenlp.BertConfig(vocab_size=50, type_vocab_size=2, initializer_range=0.5, **SIZES, **options)
    network = getattr(paddlenlp, kind.architecture)(config)
    network.save_pretrained(str(tmp_path / "nlp"))
    for target in ("huggingface", "paddle"):
        converted(tmp_path / "nlp", tmp_path / target, to=target)
        result = verify(tmp_path / "nlp", tmp_path / target)
        assert f"PaddleNLP's {kind.architecture}" in result.one
        compared = {item.output: item for item in result.differences}
        assert result.largest <= TOLERANCE and compared["logits"].scale > 0.1
    assert open_model(tmp_path / "huggingface").head.labels == labels
    assert config_of(tmp_path / "huggingface")["architectures"] == [kind.architecture]


@pytest.mark.parity
@KINDS
def test_a_head_of_paddlenlps_roberta_class_needs_shifted_positions(tmp_path, kind):
    paddle.seed(4)
    config = paddlenlp.RobertaConfig(
        vocab_size=50,
        type_vocab_size=2,
        initializer_range=0.5,
        pad_token_id=0,
        num_labels=len(LABELS[kind]) or 2,
        **SIZES,
    )
    getattr(paddlenlp, kind.architecture.replace("Bert", "Roberta"))(config).save_pretrained(str(tmp_path / "nlp"))
    with pytest.raises(CheckpointError, match="fine-tuned in PaddleNLP's Roberta class.*--positions-shifted"):
        converted(tmp_path / "nlp", tmp_path / "out")
    converted(tmp_path / "nlp", tmp_path / "out", positions_shifted=True)
    result = verify(tmp_path / "nlp", tmp_path / "out", positions_shifted=True)
    assert result.largest <= TOLERANCE and "logits" in [item.output for item in result.differences]


def test_our_fine_tuned_folder_keeps_its_records_and_its_dropout_on_the_way_to_transformers_and_back(tmp_path):
    changes = {"finetuning_reading": {"max_seq_length": 64}, "classifier_dropout": 0.3}
    changes["finetuning_labels"] = ["0", "1", "2"]  # in the data files; the label map has names for them
    source = fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE, **changes)
    converted(source, tmp_path / "ours")
    converted(tmp_path / "ours", tmp_path / "back", to="huggingface")
    for folder in ("ours", "back"):
        assert {key: config_of(tmp_path / folder)[key] for key in changes} == changes
    assert config_of(tmp_path / "back")["problem_type"] == "single_label_classification"


@pytest.mark.parametrize("kind", [HeadKind.TOKENS, HeadKind.ANSWERS])
def test_a_pooler_that_transformers_class_does_not_have_is_left_out_with_a_note(tmp_path, kind):
    pooler = {name: array for name, array in hf_arrays().items() if "pooler" in name}
    source = fine_tuned(tmp_path / "hf", kind, arrays=head_arrays(kind) | pooler)
    result = converted(source, tmp_path / "out", to="huggingface")
    assert any("pooler was left out" in note for note in result.notes)
    assert not any("pooler" in name for name in open_model(tmp_path / "out").tensors)


def test_heads_of_pretraining_next_to_a_fine_tuned_one_are_counted(tmp_path):
    arrays = hf_arrays() | head_arrays(HeadKind.SEQUENCE)
    result = converted(fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE, arrays=arrays), tmp_path / "out")
    assert result.passed_over == {"tensors of pretraining heads, which a fine-tuned model does not use": 7}
    assert "classifier.weight" in open_model(tmp_path / "out").tensors


# ---- What is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"problem_type": "regression"}, "`problem_type` must be single_label_classification"),
        ({"architectures": ["BertForMultipleChoice"]}, "MultipleChoice .a choice between texts."),
        (
            {"finetuning_task": "seq-cls", "problem_type": "multi_label_classification"},
            "`problem_type` must be single_label_classification for seq-cls",
        ),
        (
            {"finetuning_task": "multi-label", "problem_type": "single_label_classification"},
            "`problem_type` must be multi_label_classification for multi-label",
        ),
    ],
)
def test_a_head_that_computes_something_else_is_refused_but_its_encoder_can_be_converted(tmp_path, changes, message):
    source = fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE, **changes)
    with pytest.raises(CheckpointError, match=f"{message}.*only the encoder, add --drop-unexpected"):
        converted(source, tmp_path / "out")
    result = converted(source, tmp_path / "out", drop_unexpected=True)
    assert result.dropped == ("classifier.bias", "classifier.weight")


def test_a_classifier_with_one_output_is_refused_as_a_regression(tmp_path):
    arrays = head_arrays(HeadKind.SEQUENCE)
    arrays |= {name: arrays[name][:1] for name in ("classifier.weight", "classifier.bias")}
    with pytest.raises(CheckpointError, match="one output, so the model predicts a number"):
        converted(fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE, arrays=arrays), tmp_path / "out")


def test_one_error_lists_missing_unexpected_and_misshaped_tensors_of_a_head(tmp_path):
    arrays = head_arrays(HeadKind.SEQUENCE)
    del arrays["bert.pooler.dense.weight"]
    arrays["classifier.weight"] = arrays["classifier.weight"][:, :63]
    arrays["crf.transitions"] = np.zeros((3, 3), np.float32)
    with pytest.raises(CheckpointError) as caught:
        converted(fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE, arrays=arrays), tmp_path / "out")
    for part in (
        "missing: bert.pooler.dense.weight",
        "unexpected: crf.transitions",
        "misshaped: classifier.weight (63, 3) instead of (64, 3)",
    ):
        assert part in str(caught.value)


@KINDS
def test_a_configuration_with_a_head_that_the_weights_lack_is_refused(tmp_path, kind):
    arrays = {name: array for name, array in hf_arrays().items() if not name.startswith("cls.")}
    source = fine_tuned(tmp_path / "hf", kind, arrays=arrays)
    message = f"missing: {LAYER[kind]}.weight, {LAYER[kind]}.bias.*states the head of {kind.value}.*--drop-unexpected"
    with pytest.raises(CheckpointError, match=message):
        converted(source, tmp_path / "out")
    assert converted(source, tmp_path / "out", drop_unexpected=True).absent == ()


def test_a_head_whose_task_is_not_stated_needs_the_task(tmp_path):
    source = fine_tuned(tmp_path / "hf", HeadKind.TOKENS, architectures=["BertForPreTraining"])
    with pytest.raises(CheckpointError, match="unexpected: classifier.*to convert it, add --task NAME"):
        converted(source, tmp_path / "out")
    converted(source, tmp_path / "out", task="token-cls")
    assert load_model(tmp_path / "out", task="token-cls") is not None


def test_the_layer_qa_outputs_is_a_head_for_answers_also_if_nothing_states_it(tmp_path):
    source = fine_tuned(tmp_path / "hf", HeadKind.ANSWERS, without=("architectures",))
    assert open_model(source).head.kind is HeadKind.ANSWERS


def test_the_name_of_a_data_set_as_finetuning_task_of_transformers_is_not_a_task(tmp_path):
    source = fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE, finetuning_task="tnews")
    converted(source, tmp_path / "out")
    assert config_of(tmp_path / "out")["finetuning_task"] == "seq-cls"


@pytest.mark.parity
@OUR_KINDS
def test_a_head_that_only_this_project_has_stays_with_its_labels(tmp_path, kind):
    converted(fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE), tmp_path / "base", drop_unexpected=True)
    source = fine_tuned_here(tmp_path / "ours", kind, base=tmp_path / "base")
    result = converted(source, tmp_path / "out")
    assert bits_of(open_model(tmp_path / "out")) == bits_of(open_model(source)) and result.made_anew == ()
    kept = ("finetuning_task", "id2label", "label2id", "architectures")
    for key in kept:
        assert config_of(tmp_path / "out").get(key) == config_of(source).get(key)
    compared = verify(source, tmp_path / "out")
    assert compared.largest == 0 and "BERT of this package" in compared.one
    names = {"logits", *(("kind_logits",) if kind is HeadKind.ANSWERS_WITH_KINDS else ())}
    assert names <= {item.output for item in compared.differences}


@OUR_KINDS
@pytest.mark.parametrize("target", ["huggingface", "paddlenlp", "sentence-transformers", "tensorflow"])
def test_a_framework_without_a_class_for_a_head_does_not_get_it(tmp_path, kind, target):
    converted(fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE), tmp_path / "base", drop_unexpected=True)
    source = fine_tuned_here(tmp_path / "ours", kind, base=tmp_path / "base")
    with pytest.raises(CheckpointError, match=f"no class of {target} has the head of {kind.value}.*--drop-unexpected"):
        converted(source, tmp_path / "out", to=target)
    converted(source, tmp_path / "out", to=target, drop_unexpected=True)


def test_the_source_folder_is_not_changed(tmp_path):
    source = fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE)
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    converted(source, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


def test_a_model_without_a_head_has_no_labels_to_name(tmp_path):
    with pytest.raises(ConfigError, match="no fine-tuned head"):
        converted(HF_FOLDER, tmp_path / "out", labels=["a", "b"])
