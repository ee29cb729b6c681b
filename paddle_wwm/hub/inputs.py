"""Convert the data of a module's caller to examples, with checks and warnings about cut texts."""

from __future__ import annotations

import contextlib
import sys
import warnings
from typing import Any, Iterator, Mapping, Sequence

from ..errors import DataError, HubModuleError, is_integer
from ..tasks.examples import Example, QuestionExample, TextExample, TokenExample
from ..tasks.question_answering import QuestionAnswering
from ..tasks.reading_comprehension import num_question_pieces_read
from ..tasks.rows import WindowRow
from ..tasks.task import Features, Reading, Task
from ..tasks.token_classification import TokenClassification
from ..tokenization.wordpiece import WordPieceTokenizer

WANTED = {1: "a text", 2: "a list of two texts"}
WANTED_QUESTION = "{'question': text, 'context': text}, or a list of these two texts"


class TextsCutWarning(UserWarning):
    """Texts were longer than the model reads.

    Unlike other warnings, it is shown for every call, not only the first one.
    """


def examples_of(data: Sequence[Any], *, task: Task, split_char: str = "") -> list[Example]:
    """Convert the caller's data to examples of a task, named data[0], data[1], …

    Raises:
        HubModuleError: An item does not have the form that the task needs.
    """
    if isinstance(task, QuestionAnswering):
        pairs = texts_of(_pairs(data), num_texts=(2,), wanted=WANTED_QUESTION)
        return [
            QuestionExample(example_id=f"data[{number}]", question=question, context=context)
            for number, (question, context) in enumerate(pairs)
        ]
    wanted = "a text, or a list of one or two texts" if len(task.num_texts) > 1 else WANTED[task.num_texts[0]]
    return [
        TokenExample(example_id=f"data[{number}]", tokens=tuple(texts[0].split(split_char)))
        if isinstance(task, TokenClassification) and split_char and split_char in texts[0]
        else TextExample(example_id=f"data[{number}]", text=texts[0], text_pair=texts[1] if len(texts) > 1 else None)
        for number, texts in enumerate(texts_of(data, num_texts=task.num_texts, wanted=wanted))
    ]


def texts_of(
    data: Sequence[Any], *, num_texts: tuple[int, ...] = (1,), wanted: str = "a text"
) -> list[tuple[str, ...]]:
    """Return the caller's data as tuples of texts, without changing the data.

    Raises:
        HubModuleError: An item is neither a text nor a list of as many texts as `num_texts` allows.
    """
    if isinstance(data, (str, bytes, Mapping)) or not hasattr(data, "__iter__"):
        raise HubModuleError(f"`data` must be a list of texts, but is {_kind(data)}; pass [text].")
    items = []
    for index, item in enumerate(data):
        texts = tuple(item) if isinstance(item, (list, tuple)) else (item,)
        for text in texts:
            if not isinstance(text, str):
                raise HubModuleError(
                    f"data[{index}] must be {wanted}, but {'is' if texts == (item,) else 'holds'} "
                    f"{type(text).__name__}."
                )
            if not _is_unicode(text):
                raise HubModuleError(
                    f"data[{index}] holds half of a surrogate pair, which is not a character; decode the text again."
                )
        if len(texts) not in num_texts:
            allowed = " or ".join(map(str, num_texts))
            raise HubModuleError(f"data[{index}] must be {wanted} ({allowed} text(s)), but holds {len(texts)}.")
        items.append(texts)
    return items


def _pairs(data: Any) -> Any:
    """Return questions and contexts as pairs."""
    if isinstance(data, Mapping):
        raise HubModuleError(f"`data` must be a list of items, each {WANTED_QUESTION}; pass [item].")
    if isinstance(data, (str, bytes)) or not hasattr(data, "__iter__"):
        return data
    items = []
    for index, item in enumerate(data):
        if isinstance(item, Mapping):
            if set(item) != {"question", "context"}:
                raise HubModuleError(
                    f"data[{index}] must have the keys question and context, but has "
                    f"{', '.join(map(str, item)) or 'none'}."
                )
            item = [item["question"], item["context"]]
        items.append(item)
    return items


def _kind(value: Any) -> str:
    return "one text" if isinstance(value, str) else type(value).__name__


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def reading_of(
    *, max_seq_len: int | None, max_positions: int, doc_stride: int = 128, max_question_len: int = 64
) -> Reading:
    """Return the limits on the lengths of texts.

    The default of `max_seq_len` is the number of the model's positions.

    Raises:
        HubModuleError: `max_seq_len` is out of range.
    """
    limit = max_positions if max_seq_len is None else max_seq_len
    if not is_integer(limit) or not 3 <= limit <= max_positions:
        raise HubModuleError(
            f"`max_seq_len` must be between 3 and the model's {max_positions} positions, but is {limit!r}."
        )
    return Reading(max_seq_length=limit, doc_stride=doc_stride, max_question_len=max_question_len)


def check_options(*, batch_size: int, use_gpu: bool, return_prob: bool = False) -> None:
    """Raise HubModuleError for a batch size below 1, or a switch that is not a bool."""
    if not is_integer(batch_size) or batch_size < 1:
        raise HubModuleError(f"`batch_size` must be at least 1, but is {batch_size!r}.")
    for name, value in (("use_gpu", use_gpu), ("return_prob", return_prob)):
        if not isinstance(value, bool):
            raise HubModuleError(f"`{name}` must be True or False, but is {value!r}.")


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
    caller = sys._getframe(4)  # above: _warn_of_cuts, encode_data, the module's method
    module = caller.f_globals.get("__name__", "<unknown>")
    warnings.warn_explicit(message, TextsCutWarning, caller.f_code.co_filename, caller.f_lineno, module=module)
