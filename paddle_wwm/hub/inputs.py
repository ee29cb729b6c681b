"""Convert the data of a module's caller to rows, with checks of options and warnings about cut texts."""

from __future__ import annotations

import contextlib
import sys
import warnings
from typing import Any, Iterator, Sequence

from ..errors import DataError, HubModuleError
from ..tasks.examples import Example
from ..tasks.options import checked
from ..tasks.reading_comprehension import num_question_pieces_read
from ..tasks.rows import WindowRow
from ..tasks.task import Features, Reading, Task
from ..tokenization.wordpiece import WordPieceTokenizer
from .data import examples_of

OUR_CODE = f"{__name__.rpartition('.hub.')[0]}."  # this package, or its copy inside a module


class TextsCutWarning(UserWarning):
    """Texts were longer than the model reads.

    Unlike other warnings, it is shown for every call, not only the first one.
    """


def reading_of(
    *, max_seq_len: int | None, max_positions: int, doc_stride: int = 128, max_question_len: int = 64
) -> Reading:
    """Return the limits on the lengths of texts.

    The default of `max_seq_len` is the number of the model's positions.

    Raises:
        HubModuleError: `max_seq_len` is out of range.
    """
    given = checked_options(max_seq_len=max_seq_len, doc_stride=doc_stride, max_question_len=max_question_len)
    limit = max_positions if max_seq_len is None else given["max_seq_len"]
    if not 3 <= limit <= max_positions:
        raise HubModuleError(
            f"`max_seq_len` must be between 3 and the model's {max_positions} positions, but is {limit}."
        )
    return Reading(max_seq_length=limit, doc_stride=given["doc_stride"], max_question_len=given["max_question_len"])


def checked_options(**given: Any) -> dict[str, Any]:
    """Return options as Python values; see `tasks.options`.

    Raises:
        HubModuleError: A value is wrong; the message names the option.
    """
    with hub_errors():
        return checked(**given)


def _check_readable(features: Features) -> None:
    """Raise HubModuleError if a question or a passage has no pieces."""
    for row in features.rows:
        if isinstance(row, WindowRow):
            for part, ids in (("question", row.encoded.question_ids), ("context", row.encoded.context_ids)):
                if not ids:
                    raise HubModuleError(f"data[{row.owner}]: the {part} has no characters to read.")


@contextlib.contextmanager
def hub_errors() -> Iterator[None]:
    """Raise errors about items and options as HubModuleError."""
    try:
        yield
    except (DataError, ValueError) as error:
        raise HubModuleError(str(error)) from None


def encode_data(
    data: Sequence[Any], *, task: Task, tokenizer: WordPieceTokenizer, reading: Reading, split_char: str = ""
) -> tuple[list[Example], Features]:
    """Convert the caller's data to examples and rows; warn about cut texts.

    Raises:
        HubModuleError: An item does not have the form that the task needs; the message names it.
    """
    with hub_errors():
        examples = examples_of(data, task=task, split_char=split_char)
        features = task.encode(examples, tokenizer=tokenizer, reading=reading)
    _check_readable(features)
    _warn_of_cuts(features, reading=reading)
    return examples, features


def _warn_of_cuts(features: Features, *, reading: Reading) -> None:
    """Warn once about all texts, and once about all questions, that were too long."""
    if num_cut := features.counts.get("texts_cut", 0):
        _warn(f"{num_cut} text(s) had more than {reading.max_seq_length} tokens and were cut at their end.")
    if num_cut := features.counts.get("questions_cut", 0):
        limit = num_question_pieces_read(max_seq_len=reading.max_seq_length, max_question_len=reading.max_question_len)
        _warn(f"{num_cut} question(s) had more than {limit} tokens and were cut at their end.")


def _warn(message: str) -> None:
    """Warn at the line that called the module.

    Without the registry of that line, Python's default filters show the warning for every call, not only the first.
    """
    caller = sys._getframe(1)
    while caller.f_back is not None and str(caller.f_globals.get("__name__")).startswith(OUR_CODE):
        caller = caller.f_back
    module = caller.f_globals.get("__name__", "<unknown>")
    warnings.warn_explicit(message, TextsCutWarning, caller.f_code.co_filename, caller.f_lineno, module=module)
