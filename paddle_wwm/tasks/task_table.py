"""The table of tasks. Fine-tuning, evaluation, hub modules and model folders look up a task's class by name."""

from __future__ import annotations

import difflib

from ..errors import HubModuleError
from .fill_mask import FillMask
from .hidden_states import HiddenStates
from .question_answering import QuestionAnswering
from .task import Task
from .text_classification import MultiLabel, TextClassification
from .text_matching import TextMatching
from .token_classification import TokenClassification

TASKS: dict[str | None, type[Task]] = {
    task.name: task
    for task in (
        HiddenStates,
        FillMask,
        TextClassification,
        MultiLabel,
        TokenClassification,
        TextMatching,
        QuestionAnswering,
    )
}
# Other names of the tasks: the old ones of PaddleHub, and those of Hugging Face's pipelines.
OTHER_NAMES = {
    **dict.fromkeys(("sequence_classification", "text-classification", "text_classification"), "seq-cls"),
    **dict.fromkeys(("sentiment-analysis", "classification"), "seq-cls"),
    **dict.fromkeys(("ner", "token-classification", "token_classification", "sequence-labeling"), "token-cls"),
    **dict.fromkeys(("sequence_labeling", "token-labels"), "token-cls"),
    **dict.fromkeys(("text_matching", "sentence-similarity"), "text-matching"),
    **dict.fromkeys(("qa", "mrc", "question_answering", "reading-comprehension"), "question-answering"),
    **dict.fromkeys(("fill_mask", "masked-lm", "mlm"), "fill-mask"),
    **dict.fromkeys(("feature-extraction", "feature_extraction", "embedding"), None),
}


def task_names() -> list[str]:
    """Return the names of the tasks, without None."""
    return [name for name in TASKS if name]


def task_class(name: str | None) -> type[Task]:
    """Return the class of a task.

    Raises:
        HubModuleError: the name is unknown; the message has the nearest name.
    """
    if name in TASKS:
        return TASKS[name]
    names = task_names()
    if name in OTHER_NAMES:
        hint = f"Did you mean {OTHER_NAMES[name]!r}?"
    else:
        near = difflib.get_close_matches(str(name), names, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else ""
    raise HubModuleError(f"`task` must be None or one of {', '.join(names)}, but is {name!r}. {hint}".rstrip())
