"""Folders of fine-tuned models, as transformers writes them, and the outputs that transformers computes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_wwm.conversion.heads import HeadKind
from paddle_wwm.model.config_keys import ANSWER_KINDS
from paddle_wwm.model.folder import read_model_config
from paddle_wwm.tasks.model_folder import write_finetuned
from paddle_wwm.tasks.task_table import task_class

from .sources import REFERENCE, hf_arrays, hf_folder, vocab_file

LABELS = {
    HeadKind.SEQUENCE: ("差评", "好评", "中评"),
    HeadKind.MULTI_LABEL: ("快", "好", "省"),
    HeadKind.TOKENS: ("O", "B-PER", "I-PER", "B-LOC"),
    HeadKind.ANSWERS: (),
    HeadKind.ANSWERS_WITH_KINDS: ANSWER_KINDS,
    HeadKind.MATCHING: ("不同", "相同"),
}
LAYER = {kind: "qa_outputs" if kind is HeadKind.ANSWERS else "classifier" for kind in HeadKind}
# those of transformers and PaddleNLP, and those of this project only
KINDS = pytest.mark.parametrize(
    "kind", [kind for kind in HeadKind if kind.has_foreign_class], ids=lambda kind: kind.value
)
OUR_KINDS = pytest.mark.parametrize(
    "kind", [kind for kind in HeadKind if not kind.has_foreign_class], ids=lambda kind: kind.value
)
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def head_arrays(kind):
    """Return the arrays of transformers' class of this head, with random values in the head."""
    rng = np.random.default_rng(7)
    size = len(LABELS[kind]) or 2
    arrays = {name: array for name, array in hf_arrays().items() if not name.startswith("cls.")}
    if not kind.reads_pooler:
        arrays = {name: array for name, array in arrays.items() if not name.startswith("bert.pooler.")}
    arrays[f"{LAYER[kind]}.weight"] = rng.standard_normal((size, 64)).astype(np.float32)
    arrays[f"{LAYER[kind]}.bias"] = rng.standard_normal(size).astype(np.float32)
    return arrays


def head_config(kind, **changes):
    """Return what config.json states about the head."""
    labels = LABELS[kind] or ("LABEL_0", "LABEL_1")
    stated = {"id2label": {str(number): name for number, name in enumerate(labels)}}
    stated["label2id"] = {name: number for number, name in enumerate(labels)}
    if kind is HeadKind.MULTI_LABEL:
        stated["problem_type"] = "multi_label_classification"
    return {"architectures": [kind.architecture], **stated, **changes}


def fine_tuned(folder, kind, *, arrays=None, without=(), **changes):
    """Write a folder as transformers writes it for a fine-tuned model."""
    config = head_config(kind, **changes)
    hf_folder(folder, head_arrays(kind) if arrays is None else arrays, config=config)
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({key: value for key, value in values.items() if key not in without}))
    vocab_file(folder / "vocab.txt")
    return folder


def fine_tuned_here(folder, kind, *, base):
    """Write a folder as this project's fine-tuning does, with random weights.

    Args:
        base: a model folder of ours, with the sizes and the vocabulary.
    """
    paddle.seed(5)
    network = task_class(kind.task)(labels=LABELS[kind]).make_network(read_model_config(base))
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    folder.mkdir()
    write_finetuned(folder, arrays=arrays, source=base, task=kind.task, label_map=dict(enumerate(LABELS[kind])))
    return folder


def expected_logits(kind):
    """Return the logits from transformers' hidden states, shape (B, C) or (B, T, C)."""
    reference, arrays = np.load(REFERENCE), head_arrays(kind)
    states = reference["pooler_output" if kind.reads_pooler else "last_hidden_state"]
    return states @ arrays[f"{LAYER[kind]}.weight"].T + arrays[f"{LAYER[kind]}.bias"]


def inputs():
    """Return the inputs of the reference: ids, token types and mask."""
    reference = np.load(REFERENCE)
    names = ("input_ids", "token_type_ids", "attention_mask")
    ids, types, mask = (paddle.to_tensor(reference[name]) for name in names)
    return ids, types, mask.astype("bool")


def config_of(folder: Path) -> dict:
    """Return the values of config.json."""
    return json.loads((folder / "config.json").read_text())
