"""Limits of one request to a server. A program that calls `predict` itself has no such limits."""

from __future__ import annotations

import difflib
import json
from typing import Any, Mapping

from ..errors import HubModuleError
from ..tasks.fill_mask import FillMask
from ..tasks.question_answering import QuestionAnswering
from ..tasks.token_classification import TokenClassification
from ..tokenization.vocab import MASK
from .data import QUESTION_KEYS, is_unicode
from .inputs import checked_options

MAX_TEXTS = 512
MAX_CHARACTERS = 200_000  # 1.5 minutes for RBT3 on one core
MAX_TOP_K, DEFAULT_TOP_K = 100, 5
MAX_CANDIDATES = 20_000  # of all masks or questions together: 1.2 MB of JSON
MAX_NUMBERS = 1_000_000  # of the hidden states in an answer: 20 MB of JSON
COMMON_OPTIONS = ("data", "max_seq_len", "batch_size", "use_gpu")
OPTIONS = (
    "top_k",
    "threshold",
    "return_prob",
    "split_char",
    "entities",
    "doc_stride",
    "max_question_len",
    "max_answer_len",
    "no_answer_threshold",
)
EMBEDDING_OPTIONS = ("pooling",)


def check_request(data: Any, *, options: Mapping[str, Any], task: str | None) -> None:
    """Check the size and the options of a request.

    Args:
        data: the data of the request.
        options: the options of the request.
        task: the task of the module, or None.

    Raises:
        HubModuleError: The data are too large, or an option is not allowed in a request.
    """
    _check_names(options, allowed=EMBEDDING_OPTIONS if task is None else OPTIONS)
    given = checked_options(**{name: value for name, value in options.items() if name in OPTIONS})
    if given.get("entities") and task != TokenClassification.name:
        raise HubModuleError(f"`entities` is for modules of the task token-cls, but this one has the task {task}.")
    if not isinstance(data, list):
        raise HubModuleError(f"`data` must be a list of texts, but is {type(data).__name__}.")
    if len(data) > MAX_TEXTS:
        raise HubModuleError(
            f"`data` may hold at most {MAX_TEXTS} items per request, but holds {len(data):,}; split the request."
        )
    top_k = given.get("top_k", DEFAULT_TOP_K)
    if top_k > MAX_TOP_K:
        raise HubModuleError(f"`top_k` may be at most {MAX_TOP_K} in a request, but is {top_k:,}.")
    num_predicted = _num_predicted(data, task=task)
    if num_predicted * top_k > MAX_CANDIDATES:
        raise HubModuleError(
            f"a request may ask for at most {MAX_CANDIDATES:,} candidates, but asks for {num_predicted:,} x {top_k} "
            f"(`top_k`); split the request, or lower `top_k`."
        )
    num_characters = sum(map(_num_characters, data))
    if num_characters > MAX_CHARACTERS:
        raise HubModuleError(
            f"`data` may hold at most {MAX_CHARACTERS:,} characters per request, but holds {num_characters:,}; "
            f"split the request."
        )
    for index, item in enumerate(data):
        if isinstance(item, dict) and not is_unicode(json.dumps(_extra(item), ensure_ascii=False)):
            raise HubModuleError(f"data[{index}] holds half of a surrogate pair, which an answer cannot repeat.")


def check_num_states(num_texts: int, *, length: int, hidden_size: int) -> None:
    """Raise HubModuleError if the hidden states are too many for one answer."""
    allowed = max(1, MAX_NUMBERS // (length * hidden_size))
    if num_texts > allowed:
        raise HubModuleError(
            f"a request may ask for the hidden states of at most {allowed} texts of {length} tokens, but asks for "
            f"{num_texts}; split the request, or lower `max_seq_len`."
        )


def _check_names(options: Mapping[str, Any], *, allowed: tuple[str, ...]) -> None:
    unknown = [name for name in options if name not in allowed]
    if unknown:
        near = difflib.get_close_matches(unknown[0], [*COMMON_OPTIONS, *allowed], n=1)
        raise HubModuleError(
            f"a request may hold {', '.join([*COMMON_OPTIONS, *allowed])}, but also holds {', '.join(unknown)}."
            + (f" Did you mean {near[0]!r}?" if near else "")
        )


def _extra(item: dict[str, Any]) -> dict[str, Any]:
    """Return what the result of a question repeats."""
    return {key: value for key, value in item.items() if key not in QUESTION_KEYS}


def _num_predicted(data: list[Any], *, task: str | None) -> int:
    """Count what has `top_k` candidates each: masks, questions, or nothing."""
    if task == FillMask.name:
        texts = [item[0] if isinstance(item, list) and len(item) == 1 else item for item in data]
        return sum(max(1, text.count(MASK)) if isinstance(text, str) else 1 for text in texts)
    return len(data) if task == QuestionAnswering.name else 0


def _num_characters(item: Any) -> int:
    """Count the characters of an item; the task refuses wrong types later."""
    if isinstance(item, str):
        return len(item)
    parts = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return sum(len(part) for part in parts if isinstance(part, str))
