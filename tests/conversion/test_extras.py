"""Nothing that changes the outputs is left out, and known tensors that do not change them need no flag."""

from __future__ import annotations

import json

import numpy as np
import pytest

from paddle_wwm.conversion.opening import open_model
from paddle_wwm.conversion.result import RECORD_NAME
from paddle_wwm.errors import CheckpointError
from paddle_wwm.weights.tensorflow import open_tensorflow, write_tensorflow
from paddle_wwm.weights.tensors import ArrayTensor

from .sources import CONFIG, TF_FOLDER, bits_of, converted, hf_arrays, hf_folder

LAYER = "bert.encoder.layer.0"
ONES = np.ones((4, 64), np.float32)
QUERY = f"{LAYER}.attention.self.query"


def unmerged():
    arrays = hf_arrays()
    arrays[f"{QUERY}.base_layer.weight"] = arrays.pop(f"{QUERY}.weight")
    return arrays | {f"{QUERY}.lora_A.default.weight": ONES, f"{QUERY}.lora_B.default.weight": ONES.T}


REFUSED = {
    "LoRA, not merged": (unmerged(), "LoRA factors that are not merged: .*--merge ADAPTER_DIR"),
    "LoRA, of the head": ({"cls.predictions.transform.dense.lora_A.weight": ONES}, "LoRA factors"),
    "LoRA, saved from peft": ({f"base_model.model.{k}": v for k, v in unmerged().items()}, "LoRA factors"),
    "adapters": ({f"{LAYER}.output.adapters.ner.adapter_down.0.weight": ONES}, "adapters: .*compute something else"),
    "invertible adapters": ({"bert.invertible_adapters.a.F.0.weight": ONES}, "adapters: "),
    "task types": ({"bert.embeddings.task_type_embeddings.weight": ONES}, "those of ERNIE"),
    "relative distances": ({f"{LAYER}.attention.self.distance_embedding.weight": ONES}, "relative positions"),
    "cross-attention": ({f"{LAYER}.crossattention.self.query.weight": ONES}, "cross-attention: .*a decoder"),
    "pruning": ({"bert.pooler.dense.weight_mask": ONES}, "prune.remove"),
    "prompts": ({"prefix_encoder.embedding.weight": ONES}, "prompts or prefixes"),
    "a gate in a layer": ({f"{LAYER}.gate.weight": ONES}, "tensors inside the embeddings or the encoder"),
    "another table": ({"bert.embeddings.pinyin_embeddings.weight": ONES}, "tensors inside the embeddings or the"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_tensors_that_change_the_outputs_are_refused_also_with_drop_unexpected(tmp_path, kind, prefix):
    extra, message = REFUSED[kind]
    arrays = extra if "LoRA, " in kind and "head" not in kind else hf_arrays() | extra
    folder = hf_folder(tmp_path / "source", {f"{prefix}{name}": array for name, array in arrays.items()})
    for drop_unexpected in (False, True):
        with pytest.raises(CheckpointError, match=message) as caught:
            open_model(folder, drop_unexpected=drop_unexpected)
        assert "--drop-unexpected" not in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"bert.embeddings.position_ids": np.arange(128)[None]}, "position numbers"),
        ({"bert.embeddings.position_ids": np.arange(128, dtype=np.float16)[None]}, "position numbers"),
        ({"bert.embeddings.token_type_ids": np.zeros((1, 128), np.int64)}, "token type buffers"),
        ({"n_averaged": np.array(3)}, "counters"),
        ({"cls.pos.weight": ONES}, "output layers of LERT's linguistic tasks"),
        ({"cls.dep_predictions.weight": ONES}, "output layers of LERT's linguistic tasks"),
        ({"cls.predictions.ner.bias": ONES[0]}, "output layers of LERT's linguistic tasks"),
        ({"cls.predictions.decoder_dep.weight": ONES}, "output layers of LERT's linguistic tasks"),
        ({"is_overall_finite": np.array(1)}, "counters"),
    ],
)
def test_known_tensors_that_do_not_change_the_outputs_are_counted_and_need_no_flag(
    tmp_path, extra, reason, expected_bits
):
    result = converted(hf_folder(tmp_path / "source", hf_arrays() | extra), tmp_path / "out")
    assert result.passed_over == {reason: 1} and result.dropped == ()
    assert bits_of(open_model(tmp_path / "out")) == expected_bits
    record = json.loads((tmp_path / "out" / RECORD_NAME).read_text())
    assert record["passed_over_names"] == {reason: list(extra)}


@pytest.mark.parametrize(
    "extra",
    [
        {"bert.embeddings.position_ids": np.arange(128)[None] + 2},
        {"bert.embeddings.position_ids": np.arange(128)[None, ::-1]},
        {"bert.embeddings.token_type_ids": np.ones((1, 128), np.int64)},
    ],
)
def test_a_buffer_with_other_numbers_than_a_bert_computes_with_is_refused(tmp_path, extra):
    with pytest.raises(CheckpointError, match="holds other numbers"):
        open_model(hf_folder(tmp_path / "source", hf_arrays() | extra))


TENSORFLOW_EXTRAS = {
    "optimizer slots": [
        *("bert/pooler/dense/kernel/adam_v", "bert/pooler/dense/kernel/LAMB", "bert/pooler/dense/kernel/LAMB_1"),
        *("bert/pooler/dense/bias/AdamWeightDecayOptimizer_1", "bert/pooler/dense/kernel/lamb_m"),
        *("bert/pooler/dense/kernel/Adam", "training/Adam/bert/encoder/layer_0/attention/self/query/kernel/m"),
    ],
    "moving averages of weights": ["bert/pooler/dense/kernel/ExponentialMovingAverage"],
    "counters": ["beta1_power", "is_overall_finite", "loss_scale", "good_steps"],
    "unused variables of RBT": ["cls/predictions/key/bias"],
    "output layers of LERT's linguistic tasks": ["cls/pos/output_weights", "cls/ner/output_bias"],
}


def test_known_variables_of_tensorflow_checkpoints_are_counted_and_need_no_flag(tmp_path, expected_bits):
    tensors = {name: tensor for name, tensor in open_tensorflow(TF_FOLDER / "bert_model.ckpt").items()}
    tensors = {name: tensor for name, tensor in tensors.items() if "adam" not in name and name != "global_step"}
    extra = ArrayTensor(np.ones((3, 2), np.float32))
    tensors |= {name: extra for names in TENSORFLOW_EXTRAS.values() for name in names}
    write_tensorflow(tmp_path / "bert_model.ckpt", tensors)
    opened = open_model(tmp_path, config=CONFIG)
    assert {reason: sorted(names) for reason, names in opened.passed_over.items()} == {
        reason: sorted(names) for reason, names in TENSORFLOW_EXTRAS.items()
    }
    assert bits_of(opened) == expected_bits


def test_an_extra_variable_inside_the_encoder_of_a_tensorflow_checkpoint_is_refused(tmp_path):
    tensors = dict(open_tensorflow(TF_FOLDER / "bert_model.ckpt"))
    tensors["bert/encoder/layer_0/attention/self/relative_attention_bias"] = ArrayTensor(ONES)
    write_tensorflow(tmp_path / "bert_model.ckpt", tensors)
    with pytest.raises(CheckpointError, match="relative positions: bert/encoder"):
        open_model(tmp_path, config=CONFIG, drop_unexpected=True)
