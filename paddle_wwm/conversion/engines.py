"""Run an opened model in the class of its own framework.

transformers runs a Hugging Face model and PaddleNLP a Paddle model, if they are installed. Their own readers load
exactly the files that were opened. Every parameter of the class must be in the files, and the class must have every
parameter of the files. This project's BERT runs all other models.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from ..errors import CheckpointError
from ..weights.tensors import to_float32
from .heads import HeadKind
from .names import Naming
from .opening import OpenedModel
from .other_engines import Arrays, run_in_paddlenlp, run_in_roberta_class, run_in_transformers

# output -> the optional parts that it needs
OUTPUTS = {
    "last_hidden_state": (),
    "pooler_output": ("bert.pooler",),
    "prediction_logits": ("cls.predictions",),
    "seq_relationship_logits": ("bert.pooler", "cls.seq_relationship"),
    "logits": (),  # of the head of a fine-tuned model
    "kind_logits": (),  # of the kinds of answers
}


def run_model(
    model: OpenedModel, inputs: Arrays, *, positions_shifted: bool = False
) -> tuple[dict[str, np.ndarray], str]:
    """Run a model. Outputs that need an absent part are left out.

    Args:
        inputs: the arrays of `INPUTS`, int64 of shape (batch_size, seq_len).
        positions_shifted: run a model of PaddleNLP's Roberta class with the positions of that class, from 1.

    Returns:
        The outputs by name, all float32, and the name of what ran the model. Shapes: `last_hidden_state`
        (batch_size, seq_len, hidden_size), `pooler_output` (batch_size, hidden_size), `prediction_logits`
        (batch_size, seq_len, vocab_size), `seq_relationship_logits` (batch_size, 2). A fine-tuned model has `logits`
        instead of the last two: (batch_size, num_labels) for texts, (batch_size, seq_len, num_labels) for tokens,
        (batch_size, seq_len, 2) for answers; `kind_logits` (batch_size, 4) for their kinds. For text-matching, every
        text is compared with the next one.

    Raises:
        CheckpointError: the inputs do not fit, no framework is installed, or a parameter is missing in the files or in
            the class.
    """
    if (
        int(inputs["input_ids"].max()) >= model.config.vocab_size
        or inputs["input_ids"].shape[1] > model.config.max_position_embeddings
    ):
        raise CheckpointError(
            f"{model.files[0]}: the stored inputs do not fit this model; they are from a model of another size."
        )
    class_name = model.head.kind.architecture if model.head else None
    has_class = model.head is None or model.head.kind.has_foreign_class
    if has_class and model.naming is Naming.HUGGING_FACE and _are_installed("torch", "transformers"):
        outputs, engine = run_in_transformers(model, inputs), f"transformers' {class_name or 'BertForPreTraining'}"
    elif has_class and model.is_roberta_class and _are_installed("paddle", "paddlenlp"):
        outputs = run_in_roberta_class(model, inputs, positions_shifted=positions_shifted)
        engine = f"PaddleNLP's RobertaModel with positions from {int(positions_shifted)}"
    elif has_class and model.naming is Naming.PADDLE and _are_installed("paddle", "paddlenlp"):
        outputs, engine = run_in_paddlenlp(model, inputs), f"PaddleNLP's {class_name or 'BertForPretraining'}"
    elif _are_installed("paddle"):
        outputs, engine = _run_here(model, inputs), "the BERT of this package"
    else:
        raise CheckpointError(
            f"{model.files[0]}: no framework to run this model is installed; install paddlepaddle, or torch and "
            f"transformers for a Hugging Face folder."
        )
    unknown = set(model.absent)
    found = {key: outputs[key] for key, parts in OUTPUTS.items() if key in outputs and not set(parts) & unknown}
    return found, engine


def _are_installed(*packages: str) -> bool:
    return all(importlib.util.find_spec(name) for name in packages)


def _run_here(model: OpenedModel, inputs: Arrays) -> dict[str, np.ndarray]:
    import paddle

    from ..model.heads import BertForPretraining
    from ..model.networks import AnswerNetwork, PooledNetwork, TokenNetwork, TowerNetwork, split_kinds
    from ..model.weights import load_arrays

    head = model.head
    bert: Any
    if head is None:
        bert = BertForPretraining(model.config)
    elif head.kind is HeadKind.ANSWERS_WITH_KINDS:
        bert = AnswerNetwork(model.config)
    else:
        network_class = {HeadKind.TOKENS: TokenNetwork, HeadKind.ANSWERS: TokenNetwork, HeadKind.MATCHING: TowerNetwork}
        bert = network_class.get(head.kind, PooledNetwork)(model.config, head.num_outputs)
    arrays = {name: to_float32(tensor.read(), dtype=tensor.dtype) for name, tensor in model.tensors.items()}
    load_arrays(bert, arrays, source=model.files[0], optional=model.absent)
    bert.eval()
    ids, types = (paddle.to_tensor(inputs[key]) for key in ("input_ids", "token_type_ids"))
    mask = paddle.to_tensor(inputs["attention_mask"].astype(bool))
    with paddle.no_grad():
        hidden = bert.bert(ids, types, mask)
        encoded = {"last_hidden_state": hidden.numpy(), "pooler_output": bert.bert.pooler(hidden[:, 0]).numpy()}
        if head is not None:
            outputs = bert(ids, types, mask)
            if head.kind is HeadKind.MATCHING:
                outputs = bert.compare(outputs, paddle.roll(outputs, shifts=-1, axis=0))
            if head.kind is not HeadKind.ANSWERS_WITH_KINDS:
                return {**encoded, "logits": outputs.numpy()}
            logits, kinds = split_kinds(outputs)
            return {**encoded, "logits": logits.numpy(), "kind_logits": kinds.numpy()}
        scores, relations = bert(ids, types, mask, paddle.arange(ids.size), True)
    return {
        **encoded,
        "prediction_logits": scores.numpy().reshape(*ids.shape, -1),
        "seq_relationship_logits": relations.numpy(),
    }
