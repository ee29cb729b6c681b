"""A limit on the size of an answer, checked before anything is computed.

`request_limits` bounds the candidates of masks and questions. This module bounds the probabilities of all classes.
"""

from __future__ import annotations

from typing import Any, Mapping

from ..errors import HubModuleError
from ..tasks.token_classification import TokenClassification

MAX_ANSWER_BYTES = 16 << 20
NUMBER_BYTES = 23  # of a probability in JSON, with its comma
SEPARATOR = "\002"  # of tokens, in a request


def check_answer_size(data: Any, *, options: Mapping[str, Any], task: str | None, num_classes: int) -> None:
    """Check that the answer to a request cannot become too large.

    Args:
        data: the data of the request; wrong types are refused later.
        options: the options of the request.
        task: the task of the module, or None.
        num_classes: the number of its classes, or 0.

    Raises:
        HubModuleError: the answer would have more than MAX_ANSWER_BYTES bytes.
    """
    if options.get("return_prob") is not True or not isinstance(data, list):
        return
    separator = options.get("split_char", SEPARATOR)
    is_of_tokens = task == TokenClassification.name
    num_results = sum(_num_tokens(item, separator=separator) for item in data) if is_of_tokens else len(data)
    num_bytes = num_results * num_classes * NUMBER_BYTES
    if num_bytes > MAX_ANSWER_BYTES:
        raise HubModuleError(
            f"the answer would have about {num_bytes:,} bytes ({num_results:,} results x {num_classes:,} classes), of "
            f"{MAX_ANSWER_BYTES:,} at most; send fewer texts, or leave out `return_prob`."
        )


def _num_tokens(item: Any, *, separator: str) -> int:
    """Count the tokens of an item that has token labels: at most one per character."""
    texts = [text for text in (item if isinstance(item, list) else [item]) if isinstance(text, str)]
    return sum(text.count(separator) + 1 if separator and separator in text else len(text) for text in texts)
