"""Tensors of real files that are not in the table of parameters: which are skipped, and which are refused.

Skipped, and counted: what never changes the outputs, such as the state of an optimizer. Refused: what stands inside
the embeddings or the encoder, or changes what they compute. Anything else, such as a fine-tuned head, is the user's
decision (`--drop-unexpected`).
"""

from __future__ import annotations

import math
import re

import numpy as np

from ..errors import CheckpointError
from ..weights.tensors import FLOAT_TYPES, NUMBER_TYPES, ArrayTensor, Tensor, cast, to_float32
from .names import Naming

POSITION_NUMBERS, TOKEN_TYPES = "position numbers", "token type buffers"
MAX_NUMBERS = 1 << 20  # of a buffer; position numbers of a BERT are 512
_COUNTERS = (
    r"(^|[./])(n_averaged|global_step|beta[12]_power|(num_)?(good|bad)_steps|(current_)?loss_scal(e|ing)|"
    r"is_overall_finite|iter|learning_rate|save_counter)(_\d+)?$",
    "counters",
)
_OF_LERT = (
    r"^cls[./](\w+[./])?(\w+_)?(pos|ner|dep)(_\w+)?([./]|$)",
    "output layers of LERT's linguistic tasks",
)
_OF_RBT = (r"^cls[./]predictions[./]key[./]bias$", "unused variables of RBT")
_DOTTED = (
    (r"(^|\.)position_ids$", POSITION_NUMBERS),
    (r"(^|\.)embeddings\.token_type_ids$", TOKEN_TYPES),
    _COUNTERS,
    _OF_LERT,
    _OF_RBT,
)
_SKIPPED: dict[Naming, tuple[tuple[str, str], ...]] = {
    Naming.PADDLE: (*_DOTTED, (r"_(moment[12]|beta[12]_pow_acc|velocity)_\d+$", "optimizer slots")),
    Naming.HUGGING_FACE: _DOTTED,
    Naming.TENSORFLOW: (
        (r"/ExponentialMovingAverage$", "moving averages of weights"),
        (
            r"/(adam|lamb|adamw)_[mv](_1)?$|/(Adam|AdamW|AdamWeightDecay\w*|LAMB|Lamb\w*|Adagrad|Momentum|RMSProp|"
            r"Adafactor|Ftrl)(_\d+)?$|/v[rc]$|/[mv](_1)?$|^(training|optimizer)/|(^|/)(Adam|AdamW|LAMB|Lamb)/",
            "optimizer slots",
        ),
        (r"(^|/)_CHECKPOINTABLE_OBJECT_GRAPH$", "descriptions of objects"),
        _COUNTERS,
        _OF_LERT,
        _OF_RBT,
    ),
}
_INSIDE = re.compile(r"bert[./](embeddings|encoder)[./]")
_OF_THE_MODEL = re.compile(r"(bert|cls[./]predictions|cls[./]seq_relationship)[./]")
_MERGE = "merge them in peft (merge_and_unload), save the model and convert that"
_NOT_BERT = "a BERT does not have them"
# what, pattern, remedy or reason; the first match counts
_REFUSED: tuple[tuple[str, str, str], ...] = (
    (
        "LoRA factors that are not merged",
        r"lora_|[./]base_layer[./]|hada_|lokr_|oft_|ia3_|vera_lambda",
        f"{_MERGE}, or convert the base model with --merge ADAPTER_DIR",
    ),
    ("adapters", r"adapter", "the layers compute something else with them; a BERT does not have them"),
    ("task type embeddings", r"task_(type_)?embeddings", "they are those of ERNIE, and change every output"),
    ("relative positions", r"distance_embedding|rel(ative)?_(pos|att|bias|embed)|rotary", _NOT_BERT),
    ("cross-attention", r"cross_?attention|cross_attn", "it is a decoder, not an encoder"),
    (
        "weights in two parts (pruning, weight or spectral norm)",
        r"[._](weight|bias)_(orig|mask|g|v|u)$|[./]parametrizations[./]",
        "make them permanent in torch (prune.remove, remove_weight_norm, remove_parametrizations), and save again",
    ),
)
_PROMPTS = re.compile(r"(^|[./])(prompt_(encoder|embeddings|tokens)|prefix_encoder|soft_prompt\w*)([./]|$)")


def skip_reason(name: str, naming: Naming) -> str | None:
    """Return the reason to skip a tensor, as a plural noun, or None to keep it."""
    return next((reason for pattern, reason in _SKIPPED[naming] if re.search(pattern, name)), None)


def refusal(name: str) -> tuple[str, str] | None:
    """Return what an unexpected tensor is and what to do about it.

    None means that the user may drop it.

    Args:
        name: a standard name that is not in the table.
    """
    if _PROMPTS.search(name):
        return "trained prompts or prefixes", "the model was trained with them in front of every text"
    if _OF_THE_MODEL.match(name):
        for what, pattern, remedy in _REFUSED:
            if re.search(pattern, name):
                return what, remedy
    return ("tensors inside the embeddings or the encoder", _NOT_BERT) if _INSIDE.match(name) else None


def check_buffer(name: str, tensor: Tensor, *, reason: str, source: str) -> None:
    """Check that a skipped buffer holds what every BERT computes with.

    That is the positions 0, 1, 2, … or token type 0.

    Raises:
        CheckpointError: it holds other numbers, so skipping it would change the outputs.
    """
    if reason not in (POSITION_NUMBERS, TOKEN_TYPES) or tensor.dtype not in NUMBER_TYPES:
        return
    count = tensor.num_values
    if math.prod(tensor.shape[:-1]) == 1 and count <= MAX_NUMBERS:
        numbers = np.arange(count) if reason == POSITION_NUMBERS else np.zeros(count)
        actual = tensor.read().reshape(-1)
        if tensor.dtype in FLOAT_TYPES:  # somebody cast the whole state dict
            expected = cast(ArrayTensor(numbers.astype(np.float32)), tensor.dtype, name=name).read()
            actual, numbers = to_float32(actual, dtype=tensor.dtype), to_float32(expected, dtype=tensor.dtype)
        if np.array_equal(actual, numbers):
            return
    rule = "0, 1, 2, …" if reason == POSITION_NUMBERS else "0"
    raise CheckpointError(f"{source}: {name} must hold {rule}, but holds other numbers; a BERT computes with {rule}.")
