"""One table of parameter names, walked in both directions: Paddle's (PaddleNLP's BertForPretraining, and ours),
Hugging Face's, TensorFlow's.

A dense layer's weight is (in, out) in Paddle and TensorFlow and (out, in) in Hugging Face; the next-sentence head's is
(in, 2) in Paddle and (2, in) in both others. Sources: google-research/bert modeling.py and run_pretraining.py;
transformers modeling_bert.py; PaddleNLP bert/modeling.py and roberta/modeling.py.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Iterable

from ..config import ModelConfig


class Naming(enum.Enum):
    """Whose names tensors go by."""

    PADDLE = "paddle"
    HUGGING_FACE = "huggingface"
    TENSORFLOW = "tensorflow"


_AS_IS: frozenset[Naming] = frozenset()
_HF_TURNED = frozenset({Naming.HUGGING_FACE})
_BOTH_TURNED = frozenset({Naming.HUGGING_FACE, Naming.TENSORFLOW})

# Endings in Paddle, Hugging Face and TensorFlow, and where the matrix lies the other way round than in Paddle.
_EMBEDDING = ((".weight", ".weight", "", _AS_IS),)
_NORM = ((".weight", ".weight", "/gamma", _AS_IS), (".bias", ".bias", "/beta", _AS_IS))
_DENSE = ((".weight", ".weight", "/kernel", _HF_TURNED), (".bias", ".bias", "/bias", _AS_IS))
_OUTPUT = ((".weight", ".weight", "/output_weights", _BOTH_TURNED), (".bias", ".bias", "/output_bias", _AS_IS))
_VECTOR = (("", "", "", _AS_IS),)

# What * stands for, with the layer's number.
_LAYER = ("bert.encoder.layers.{}", "bert.encoder.layer.{}", "bert/encoder/layer_{}")

# Sizes in Paddle's order: V vocabulary, P positions, T token types, H hidden, F feed-forward. A second tensor, the
# bias, has the last one.
_Endings = tuple[tuple[str, str, str, frozenset[Naming]], ...]
_TABLE: tuple[tuple[str, str, str, _Endings, str], ...] = (
    (
        "bert.embeddings.word_embeddings",
        "bert.embeddings.word_embeddings",
        "bert/embeddings/word_embeddings",
        _EMBEDDING,
        "VH",
    ),
    (
        "bert.embeddings.position_embeddings",
        "bert.embeddings.position_embeddings",
        "bert/embeddings/position_embeddings",
        _EMBEDDING,
        "PH",
    ),
    (
        "bert.embeddings.token_type_embeddings",
        "bert.embeddings.token_type_embeddings",
        "bert/embeddings/token_type_embeddings",
        _EMBEDDING,
        "TH",
    ),
    ("bert.embeddings.layer_norm", "bert.embeddings.LayerNorm", "bert/embeddings/LayerNorm", _NORM, "H"),
    ("*.self_attn.q_proj", "*.attention.self.query", "*/attention/self/query", _DENSE, "HH"),
    ("*.self_attn.k_proj", "*.attention.self.key", "*/attention/self/key", _DENSE, "HH"),
    ("*.self_attn.v_proj", "*.attention.self.value", "*/attention/self/value", _DENSE, "HH"),
    ("*.self_attn.out_proj", "*.attention.output.dense", "*/attention/output/dense", _DENSE, "HH"),
    ("*.norm1", "*.attention.output.LayerNorm", "*/attention/output/LayerNorm", _NORM, "H"),
    ("*.linear1", "*.intermediate.dense", "*/intermediate/dense", _DENSE, "HF"),
    ("*.linear2", "*.output.dense", "*/output/dense", _DENSE, "FH"),
    ("*.norm2", "*.output.LayerNorm", "*/output/LayerNorm", _NORM, "H"),
    ("bert.pooler.dense", "bert.pooler.dense", "bert/pooler/dense", _DENSE, "HH"),
    ("cls.predictions.transform", "cls.predictions.transform.dense", "cls/predictions/transform/dense", _DENSE, "HH"),
    (
        "cls.predictions.layer_norm",
        "cls.predictions.transform.LayerNorm",
        "cls/predictions/transform/LayerNorm",
        _NORM,
        "H",
    ),
    ("cls.predictions.decoder_bias", "cls.predictions.bias", "cls/predictions/output_bias", _VECTOR, "V"),
    ("cls.seq_relationship", "cls.seq_relationship", "cls/seq_relationship", _OUTPUT, "H2"),
)

# Parts that files may lack as a whole: the published weights of the series come without the heads, other files without
# the pooler.
OPTIONAL_PARTS = ("bert.pooler", "cls.predictions", "cls.seq_relationship")

# One-way from here on: names that are read and never written.

# The output layer of the masked language model is the word embeddings; files that store it again must store the same.
_TIED = {
    Naming.PADDLE: {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder_weight": "bert.embeddings.word_embeddings.weight",  # PaddleNLP 2.0
        "cls.predictions.decoder.bias": "cls.predictions.decoder_bias",
        "cls.predictions.lm_head_bias": "cls.predictions.decoder_bias",  # the Roberta class's, see _SYNONYMS
    },
    Naming.HUGGING_FACE: {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.decoder_bias",
    },
    Naming.TENSORFLOW: {},
}
_SYNONYMS: dict[Naming, tuple[tuple[str, str], ...]] = {
    Naming.PADDLE: (
        (r"^(embeddings|encoder|pooler)\.", r"bert.\1."),  # a bare BertModel
        (r"^roberta\.", "bert."),  # the Roberta class, in which PaddleNLP published the series' RoBERTa models
        (r"^lm_head\.dense\.", "cls.predictions.transform."),
        (r"^lm_head\.layer_norm\.", "cls.predictions.layer_norm."),
        (r"^lm_head\.decoder\.", "cls.predictions.decoder."),
        (r"^lm_head\.bias$", "cls.predictions.lm_head_bias"),
    ),
    Naming.HUGGING_FACE: (
        (r"^module\.", ""),  # torch's DataParallel
        (r"^(embeddings|encoder|pooler)\.", r"bert.\1."),  # a bare BertModel
        (r"\.gamma$", ".weight"),  # before 2019's pytorch-transformers
        (r"\.beta$", ".bias"),
    ),
    Naming.TENSORFLOW: (),
}
# Of no use outside of their own program: an optimizer's slots, counters, and a buffer that counts 0, 1, 2, …
_PASSED_OVER: dict[Naming, tuple[tuple[str, str], ...]] = {
    Naming.PADDLE: ((r"(^|\.)position_ids$", "position numbers"),),
    Naming.HUGGING_FACE: ((r"(^|\.)position_ids$", "position numbers"),),
    Naming.TENSORFLOW: (
        (r"/(adam|lamb)_[mv]$|/Adam(_1)?$|/LAMB(_1)?$|/Momentum$|/ExponentialMovingAverage$", "optimizer slots"),
        (r"(^|/)(global_step|beta[12]_power|good_steps|loss_scale|current_loss_scale|save_counter)$", "counters"),
    ),
}
_TELLING: tuple[tuple[Naming, str], ...] = (
    (Naming.TENSORFLOW, r"(^|/)encoder/layer_\d+/attention/"),
    (Naming.HUGGING_FACE, r"(^|\.)encoder\.layer\.\d+\.attention\."),
    (Naming.PADDLE, r"(^|\.)encoder\.layers\.\d+\.self_attn\."),
)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a BERT: its name and shape in Paddle, its name elsewhere, and whether the matrix lies the other
    way round there.
    """

    name: str
    foreign_name: str
    shape: tuple[int, ...]
    is_turned: bool


def parameters(naming: Naming, config: ModelConfig) -> list[Parameter]:
    """All parameters of a BERT with both heads, in the order of the table."""
    column = (Naming.PADDLE, Naming.HUGGING_FACE, Naming.TENSORFLOW).index(naming)
    sizes = {
        "V": config.vocab_size,
        "P": config.max_position_embeddings,
        "T": config.type_vocab_size,
        "H": config.hidden_size,
        "F": config.intermediate_size,
        "2": 2,
    }
    per_layer = [row for row in _TABLE if row[0].startswith("*")]
    first = _TABLE.index(per_layer[0])
    prefixes = [(_LAYER[0].format(number), _LAYER[column].format(number)) for number in range(config.num_hidden_layers)]
    rows = [(row, ("", "")) for row in _TABLE[:first]]
    rows += [(row, prefix) for prefix in prefixes for row in per_layer]
    rows += [(row, ("", "")) for row in _TABLE[first + len(per_layer) :]]
    return [
        Parameter(
            name=row[0].replace("*", prefix[0]) + ending[0],
            foreign_name=row[:3][column].replace("*", prefix[1]) + ending[:3][column],
            shape=tuple(sizes[letter] for letter in (row[4] if place == 0 else row[4][-1])),
            is_turned=naming in ending[3],
        )
        for row, prefix in rows
        for place, ending in enumerate(row[3])
    ]


def naming_of(names: Iterable[str]) -> Naming | None:
    """Whose names these are; None where they are no BERT's."""
    names = list(names)
    for naming, pattern in _TELLING:
        if any(re.search(pattern, name) for name in names):
            return naming
    return None


def standard_name(name: str, naming: Naming) -> str:
    """A name as the table has it: prefixes completed, older spellings renewed."""
    for pattern, replacement in _SYNONYMS[naming]:
        name = re.sub(pattern, replacement, name)
    return name


def tied_parameter(name: str, naming: Naming) -> str | None:
    """Paddle's name of the parameter that a standard name stores a second time; None for all others."""
    return _TIED[naming].get(name)


def tied_names() -> dict[str, str]:
    """The names under which PaddleNLP's classes list tied parameters a second time -> the parameters; Paddle's files
    have both.
    """
    return {name: source for name, source in _TIED[Naming.PADDLE].items() if ".decoder." in name}


def passed_over(name: str, naming: Naming) -> str | None:
    """Why a tensor is not wanted, in two words; None where it is."""
    return next((reason for pattern, reason in _PASSED_OVER[naming] if re.search(pattern, name)), None)
