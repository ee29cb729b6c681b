"""Refuse models of other classes whose tensors have the names of a BERT."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

from ..errors import CheckpointError
from .names import Naming
from .spelling import Spelling

OTHER_FAMILIES = (  # classes whose encoders have the names of a BERT's
    *("roberta", "xlm_roberta", "electra", "ernie", "ernie_m", "nezha", "longformer", "layoutlm", "deberta", "mpnet"),
    *("roformer", "camembert", "data2vec_text", "megatron", "splinter", "esm", "big_bird"),
)


def check_family(spelling: Spelling, values: Mapping[str, Any], *, path: Path) -> tuple[bool, tuple[str, ...]]:
    """Check that the model is a BERT.

    Returns:
        Whether it is a model of PaddleNLP's Roberta class, and notes for the user.

    Raises:
        CheckpointError: it is a model of another class.
    """
    kind, naming = values.get("model_type", "bert"), spelling.naming
    if kind == "roberta" and (naming is not Naming.PADDLE or values.get("type_vocab_size", 2) == 1):
        raise CheckpointError(
            f"{path}: `model_type` is roberta: a RoBERTa model (other positions, one token type, another vocabulary) "
            "is not a BERT and cannot be converted. "
            "The RoBERTa-wwm-ext and RBT models are BERT models: use their files with `model_type` bert."
        )
    names = (kind, spelling.family, values.get("init_class"), *(values.get("architectures") or ()))
    is_roberta = any(str(name).lower().startswith("roberta") for name in names)
    if naming is Naming.PADDLE and is_roberta:
        return True, (
            "PaddleNLP's Roberta class numbers positions from 1, but the series was pretrained with positions from 0. "
            "The converted model numbers positions from 0, so its outputs are those of the Bert class. If the model "
            "was fine-tuned in the Roberta class, convert it with --positions-shifted.",
        )
    if spelling.family in OTHER_FAMILIES and values.get("model_type") != "bert":
        raise CheckpointError(
            f"{path}: the names of the tensors begin with {spelling.family!r}, which is not a BERT. If it is a BERT "
            f'under another name, state "model_type": "bert" in the configuration (--config FILE).'
        )
    return False, ()
