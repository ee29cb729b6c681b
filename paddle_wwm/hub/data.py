"""Convert the data of a module's caller to examples. Whatever is not a row of texts is refused with the right way."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ..errors import HubModuleError
from ..tasks.examples import Example, QuestionExample, TextExample, TokenExample
from ..tasks.options import shown
from ..tasks.question_answering import QuestionAnswering
from ..tasks.task import Task
from ..tasks.token_classification import TokenClassification

WANTED = {(1,): "a text", (2,): "a list of two texts", (1, 2): "a text, or a list of one or two texts"}
WANTED_QUESTION = "{'question': text, 'context': text}, or a list of these two texts"
QUESTION_KEYS = ("question", "context")
# What to write instead of a table, by the number of texts of an item; questions also have other columns.
FROM_TABLE = {
    (1,): 'df["text"].tolist()',
    (2,): 'df[["text", "other"]].values.tolist()',
    (1, 2): 'df["text"].tolist(), or df[["text", "other"]].values.tolist() for pairs',
}
FROM_TABLE_OF_QUESTIONS = 'df.to_dict("records") with the columns question and context'
MISSING = ("NoneType", "NAType", "NaTType")  # the last two are of pandas


def examples_of(data: Sequence[Any], *, task: Task, split_char: str = "") -> list[Example]:
    """Convert the caller's data to examples of a task, named data[0], data[1], …

    Raises:
        HubModuleError: The data or an item do not have the form that the task needs.
    """
    if isinstance(task, QuestionAnswering):
        return list(_questions(_items(data, remedy=FROM_TABLE_OF_QUESTIONS, is_questions=True)))
    wanted = WANTED[task.num_texts]
    items = _items(data, remedy=FROM_TABLE[task.num_texts])
    return [
        _example(
            f"data[{index}]",
            _texts(index, item, num_texts=task.num_texts, wanted=wanted),
            split_char=split_char if isinstance(task, TokenClassification) else "",
        )
        for index, item in enumerate(items)
    ]


def _example(name: str, texts: tuple[str, ...], *, split_char: str) -> Example:
    if split_char and split_char in texts[0]:
        separator = split_char if split_char.isspace() else ""
        return TokenExample(example_id=name, tokens=tuple(texts[0].split(split_char)), separator=separator)
    return TextExample(example_id=name, text=texts[0], text_pair=texts[1] if len(texts) > 1 else None)


def _questions(items: Sequence[Any]) -> list[Example]:
    examples: list[Example] = []
    for index, item in enumerate(items):
        extra = {}
        if isinstance(item, Mapping):
            if not all(key in item for key in QUESTION_KEYS):
                raise HubModuleError(
                    f"data[{index}] must have the keys question and context, but has "
                    f"{', '.join(map(str, item)) or 'none'}."
                )
            extra = {key: value for key, value in item.items() if key not in QUESTION_KEYS}
            item = [item[key] for key in QUESTION_KEYS]
        question, context = _texts(index, item, num_texts=(2,), wanted=WANTED_QUESTION)
        examples.append(QuestionExample(example_id=f"data[{index}]", question=question, context=context, extra=extra))
    return examples


def _items(data: Any, *, remedy: str, is_questions: bool = False) -> list[Any]:
    """Return the caller's data as a list of items.

    Args:
        data: what the caller gave.
        remedy: what to write instead of a table.
        is_questions: True if an item is a question with its passage.
    """
    kinds = {kind.__name__ for kind in type(data).__mro__}
    if isinstance(data, str):
        wrong, right = "one text", f"pass [{'[question, context]' if is_questions else 'text'}]"
    elif isinstance(data, (bytes, bytearray, memoryview)):
        wrong, right = type(data).__name__, 'decode it, and pass [data.decode("utf-8")]'
    elif isinstance(data, Mapping):
        wrong, right = type(data).__name__, "pass [item]" if is_questions else "pass list(data.values())"
    elif isinstance(data, (set, frozenset)):
        wrong, right = f"a {type(data).__name__}, which has no order", "pass a list, such as sorted(data)"
    elif kinds & {"DataFrame", "Table"}:
        wrong, right = f"a {type(data).__name__}", f"pass {remedy}"
    elif not hasattr(data, "__iter__") or getattr(data, "ndim", 1) == 0:
        wrong, right = type(data).__name__, "pass [text]"
    else:
        return list(data)
    each = f", each {WANTED_QUESTION}" if is_questions else ""
    raise HubModuleError(f"`data` must be a list of texts{each}, but is {wrong}; {right}.")


def _texts(index: int, item: Any, *, num_texts: tuple[int, ...], wanted: str) -> tuple[str, ...]:
    """Return the texts of an item, without changing it."""
    if getattr(item, "ndim", 0) == 1:  # a row of an array
        item = item.tolist()
    is_list = isinstance(item, (list, tuple))
    texts = tuple(item) if is_list else (item,)
    for text in texts:
        if not isinstance(text, str):
            raise HubModuleError(f"data[{index}] must be {wanted}, but {'holds' if is_list else 'is'} {_wrong(text)}.")
        if not is_unicode(text):
            raise HubModuleError(
                f"data[{index}] holds half of a surrogate pair, which is not a character; decode the text again."
            )
    if len(texts) not in num_texts:
        allowed = " or ".join(map(str, num_texts))
        raise HubModuleError(f"data[{index}] must be {wanted} ({allowed} text(s)), but holds {len(texts)}.")
    return texts


def _wrong(value: Any) -> str:
    """Return what a value is that should be a text, and the right way."""
    kind = type(value).__name__
    if kind in MISSING or (isinstance(value, float) and value != value):
        name = "nan" if isinstance(value, float) else kind
        return f'{name}, a missing value; remove the item, or give ""'
    if isinstance(value, (bytes, bytearray)):
        return f'{kind}; decode it with .decode("utf-8")'
    if isinstance(value, Mapping):
        return f'{kind}; pass its text, such as item["text"]'
    if isinstance(value, (set, frozenset)):
        return f"{kind}, which has no order; pass a list"
    return f"{kind} ({shown(value)})"


def is_unicode(text: str) -> bool:
    """Return True if a text can be encoded: it has no half of a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
