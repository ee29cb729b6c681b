"""What one request of a server may ask of a module. A program that calls `predict` itself has no such limits."""

from __future__ import annotations

from typing import Any, Mapping

from ..errors import HubModuleError

MAX_TEXTS = 512
MAX_CHARACTERS = 200_000  # a minute and a half of RBT3's work on one core
OPTIONS = (
    "top_k",
    "threshold",
    "return_prob",
    "doc_stride",
    "max_question_len",
    "max_answer_len",
    "no_answer_threshold",
)
EMBEDDING_OPTIONS = ("pooling",)


def check_request(data: Any, *, options: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    """Raises HubModuleError for data that are too much, and for options that a request has no say in."""
    unknown = [name for name in options if name not in allowed]
    if unknown:
        raise HubModuleError(
            f"a request may hold data, max_seq_len, batch_size, use_gpu, {', '.join(allowed)}, but also holds "
            f"{', '.join(unknown)}."
        )
    if not isinstance(data, list):
        raise HubModuleError(f"`data` must be a list of texts, but is {type(data).__name__}.")
    if len(data) > MAX_TEXTS:
        raise HubModuleError(
            f"`data` may hold at most {MAX_TEXTS} items a request, but holds {len(data):,}; send them in several."
        )
    num_characters = sum(map(_num_characters, data))
    if num_characters > MAX_CHARACTERS:
        raise HubModuleError(
            f"`data` may hold at most {MAX_CHARACTERS:,} characters a request, but holds {num_characters:,}; "
            f"send less at once."
        )


def _num_characters(item: Any) -> int:
    """What is no text is refused later, by the task."""
    if isinstance(item, str):
        return len(item)
    parts = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return sum(len(part) for part in parts if isinstance(part, str))
