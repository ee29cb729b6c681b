"""The table of parameter names in Paddle, Hugging Face and TensorFlow. It is used in both directions.

The Paddle names are those of this project and of PaddleNLP's BertForPretraining. The weight of a dense layer has shape
(in, out) in Paddle and TensorFlow, and (out, in) in Hugging Face. The weight of the next-sentence head has shape
(in, 2) in Paddle, and (2, in) in the other two. Sources: google-research/bert modeling.py and run_pretraining.py;
transformers modeling_bert.py; PaddleNLP bert/modeling.py and roberta/modeling.py.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Iterable

from ..model.config_keys import ANSWER_KINDS
from ..model.folder import TIED_NAMES
from ..model_config import ModelConfig
from .heads import Head, HeadKind


class Naming(enum.Enum):
    """The framework whose parameter names are used."""

    PADDLE = "paddle"
    HUGGING_FACE = "huggingface"
    TENSORFLOW = "tensorflow"


@dataclass(frozen=True)
class _Names:
    """A name, or a part of a name, in each of the three frameworks."""

    paddle: str
    hugging_face: str
    tensorflow: str

    def by(self, naming: Naming) -> str:
        """Return the name in one framework."""
        return getattr(self, naming.name.lower())


@dataclass(frozen=True)
class _Ending(_Names):
    """The ending of a name.

    Args:
        turned: frameworks in which the matrix is the transpose of the one in Paddle.
    """

    turned: tuple[Naming, ...] = ()


@dataclass(frozen=True)
class _Row(_Names):
    """The tensors of one layer.

    Args:
        sizes: the shape of the first tensor in Paddle, one letter per dimension: V vocabulary, P positions,
            T token types, H hidden, F feed-forward, C outputs of a task's head, K kinds of answers, M three times
            hidden, 2. A second tensor (the bias) has only the last dimension.
    """

    endings: tuple[_Ending, ...]
    sizes: str

    @property
    def is_in_every_layer(self) -> bool:
        """True if the name begins with *, which stands for each encoder layer."""
        return self.paddle.startswith("*")

    @property
    def tensors(self) -> tuple[tuple[_Ending, str], ...]:
        """The ending and the dimensions of each tensor."""
        return tuple(zip(self.endings, (self.sizes, self.sizes[-1])))


_BIAS = _Ending(".bias", ".bias", "/bias")
_EMBEDDING = (_Ending(".weight", ".weight", ""),)
_NORM = (_Ending(".weight", ".weight", "/gamma"), _Ending(".bias", ".bias", "/beta"))
_DENSE = (_Ending(".weight", ".weight", "/kernel", (Naming.HUGGING_FACE,)), _BIAS)
_OUTPUT = (
    _Ending(".weight", ".weight", "/output_weights", (Naming.HUGGING_FACE, Naming.TENSORFLOW)),
    _Ending(".bias", ".bias", "/output_bias"),
)
_VECTOR = (_Ending("", "", ""),)

_LAYER = _Names("bert.encoder.layers.{}", "bert.encoder.layer.{}", "bert/encoder/layer_{}")  # what * stands for
_TABLE = (
    _Row(
        "bert.embeddings.word_embeddings",
        "bert.embeddings.word_embeddings",
        "bert/embeddings/word_embeddings",
        _EMBEDDING,
        "VH",
    ),
    _Row(
        "bert.embeddings.position_embeddings",
        "bert.embeddings.position_embeddings",
        "bert/embeddings/position_embeddings",
        _EMBEDDING,
        "PH",
    ),
    _Row(
        "bert.embeddings.token_type_embeddings",
        "bert.embeddings.token_type_embeddings",
        "bert/embeddings/token_type_embeddings",
        _EMBEDDING,
        "TH",
    ),
    _Row("bert.embeddings.layer_norm", "bert.embeddings.LayerNorm", "bert/embeddings/LayerNorm", _NORM, "H"),
    _Row("*.self_attn.q_proj", "*.attention.self.query", "*/attention/self/query", _DENSE, "HH"),
    _Row("*.self_attn.k_proj", "*.attention.self.key", "*/attention/self/key", _DENSE, "HH"),
    _Row("*.self_attn.v_proj", "*.attention.self.value", "*/attention/self/value", _DENSE, "HH"),
    _Row("*.self_attn.out_proj", "*.attention.output.dense", "*/attention/output/dense", _DENSE, "HH"),
    _Row("*.norm1", "*.attention.output.LayerNorm", "*/attention/output/LayerNorm", _NORM, "H"),
    _Row("*.linear1", "*.intermediate.dense", "*/intermediate/dense", _DENSE, "HF"),
    _Row("*.linear2", "*.output.dense", "*/output/dense", _DENSE, "FH"),
    _Row("*.norm2", "*.output.LayerNorm", "*/output/LayerNorm", _NORM, "H"),
    _Row("bert.pooler.dense", "bert.pooler.dense", "bert/pooler/dense", _DENSE, "HH"),
    _Row(
        "cls.predictions.transform", "cls.predictions.transform.dense", "cls/predictions/transform/dense", _DENSE, "HH"
    ),
    _Row(
        "cls.predictions.layer_norm",
        "cls.predictions.transform.LayerNorm",
        "cls/predictions/transform/LayerNorm",
        _NORM,
        "H",
    ),
    _Row("cls.predictions.decoder_bias", "cls.predictions.bias", "cls/predictions/output_bias", _VECTOR, "V"),
    _Row("cls.seq_relationship", "cls.seq_relationship", "cls/seq_relationship", _OUTPUT, "H2"),
)
# The head of a fine-tuned model takes the place of those of pretraining (`cls`). The names of TensorFlow are those of
# Google's run_classifier.py and run_squad.py; it has none
# for tokens, and the common ones use the names of the first.
_TASK_OUTPUT = (
    _Ending(".weight", ".weight", "output_weights", (Naming.HUGGING_FACE, Naming.TENSORFLOW)),
    _Ending(".bias", ".bias", "output_bias"),
)
_CLASSIFIER = _Row("classifier", "classifier", "", _TASK_OUTPUT, "HC")
_ANSWERS = _Row("classifier", "qa_outputs", "cls/squad/", _TASK_OUTPUT, "HC")
# the last two are ours only: no target with other names takes them (see targets.py)
_KINDS = _Row("kind_classifier", "kind_classifier", "kind_", _TASK_OUTPUT, "HK")
_OF_TWO_TEXTS = _Row("classifier", "classifier", "", _TASK_OUTPUT, "MC")
_HEADS = {
    HeadKind.SEQUENCE: (_CLASSIFIER,),
    HeadKind.MULTI_LABEL: (_CLASSIFIER,),
    HeadKind.TOKENS: (_CLASSIFIER,),
    HeadKind.ANSWERS: (_ANSWERS,),
    HeadKind.ANSWERS_WITH_KINDS: (_ANSWERS, _KINDS),
    HeadKind.MATCHING: (_OF_TWO_TEXTS,),
}
HEAD_NAME, PRETRAINING_HEADS = "classifier", "cls."  # in Paddle

# Parts that can be missing. The published weights of the series have no heads, other files have no pooler.
OPTIONAL_PARTS = ("bert.pooler", "cls.predictions", "cls.seq_relationship")

# The tables below are used for reading only; these names are never written.

# The output layer of the masked language model shares the word embeddings. A second copy in a file must be equal.
_TIED: dict[Naming, dict[str, str]] = {
    Naming.PADDLE: {
        **TIED_NAMES,
        "cls.predictions.decoder_weight": "bert.embeddings.word_embeddings.weight",  # PaddleNLP 2.0
        "cls.predictions.lm_head_bias": "cls.predictions.decoder_bias",  # of the Roberta class, see spelling.py
    },
    Naming.HUGGING_FACE: TIED_NAMES,  # Hugging Face uses the same names
    Naming.TENSORFLOW: {},
}
# A name that matches shows which framework a file is from.
_TELLING: tuple[tuple[Naming, str], ...] = (
    (Naming.TENSORFLOW, r"(^|/)encoder/layer_\d+/attention/"),
    (Naming.HUGGING_FACE, r"(^|\.)encoder\.layer\.\d+\.attention\."),
    (Naming.PADDLE, r"(^|\.)encoder\.layers\.\d+\.self_attn\."),
)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a BERT.

    Args:
        name: the name in Paddle.
        foreign_name: the name in the other framework.
        shape: the shape in Paddle.
        is_turned: the matrix is transposed in the other framework.
    """

    name: str
    foreign_name: str
    shape: tuple[int, ...]
    is_turned: bool


def parameters(naming: Naming, config: ModelConfig, head: Head | None = None) -> list[Parameter]:
    """Return all parameters of a BERT, in the order of the table.

    Args:
        head: the head of a fine-tuned model; None: both heads of pretraining.
    """
    sizes = {
        "V": config.vocab_size,
        "P": config.max_position_embeddings,
        "T": config.type_vocab_size,
        "H": config.hidden_size,
        "F": config.intermediate_size,
        "C": head.num_outputs if head else 0,
        "K": len(ANSWER_KINDS),
        "M": 3 * config.hidden_size,
        "2": 2,
    }
    per_layer = [row for row in _TABLE if row.is_in_every_layer]
    first = _TABLE.index(per_layer[0])
    last = _TABLE[first + len(per_layer) :]
    if head is not None:
        last = (*(row for row in last if not row.paddle.startswith(PRETRAINING_HEADS)), *_HEADS[head.kind])
    numbered = [(row, str(number)) for number in range(config.num_hidden_layers) for row in per_layer]
    rows = [(row, "") for row in _TABLE[:first]] + numbered + [(row, "") for row in last]

    def name(row: _Row, number: str, ending: _Ending, naming: Naming) -> str:
        return row.by(naming).replace("*", _LAYER.by(naming).format(number)) + ending.by(naming)

    return [
        Parameter(
            name=name(row, number, ending, Naming.PADDLE),
            foreign_name=name(row, number, ending, naming),
            shape=tuple(sizes[letter] for letter in letters),
            is_turned=naming in ending.turned,
        )
        for row, number in rows
        for ending, letters in row.tensors
    ]


def naming_of(names: Iterable[str]) -> Naming | None:
    """Return the framework of these names, or None if they are not from a BERT."""
    names = list(names)
    for naming, pattern in _TELLING:
        if any(re.search(pattern, name) for name in names):
            return naming
    return None


def tied_parameter(name: str, naming: Naming) -> str | None:
    """Return the Paddle name of the parameter that `name` is a copy of, or None.

    `name` must be in the form of `spelling.standard_name`.
    """
    return _TIED[naming].get(name)
