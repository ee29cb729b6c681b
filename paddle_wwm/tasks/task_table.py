"""The table of tasks. Fine-tuning, evaluation, hub modules and model folders look up a task's class by name."""

from __future__ import annotations

import difflib
import re

from ..errors import HubModuleError
from .fill_mask import FillMask
from .hidden_states import HiddenStates
from .options import shown
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
# Other names of the tasks: the old ones of PaddleHub, those of Hugging Face's pipelines, and those of the field. They
# are compared in lower case, with dashes only.
OTHER_NAMES = {
    other: name
    for name, others in {
        "seq-cls": "sequence-classification text-classification text-cls classification cls sentiment "
        "sentiment-analysis sentiment-classification intent nli natural-language-inference pair-classification",
        "multi-label": "multilabel multi-label-classification multilabel-classification",
        "token-cls": "ner named-entity-recognition token-classification token-labels token-labelling token-labeling "
        "sequence-labeling sequence-labelling seq-labeling seq-labelling pos pos-tagging part-of-speech-tagging "
        "word-segmentation cws tagging chunking",
        "text-matching": "matching pair-matching semantic-matching sentence-similarity text-similarity similarity sts "
        "paraphrase",
        "question-answering": "qa mrc reading-comprehension machine-reading-comprehension extractive-qa squad cmrc",
        "fill-mask": "fill-masks mask-filling masked-lm masked-language-modeling masked-language-model mlm cloze lm",
        None: "none feature-extraction features embedding embeddings text-embedding sentence-embedding hidden-states "
        "encoder",
    }.items()
    for other in others.split()
}


def task_names() -> list[str]:
    """Return the names of the tasks, without None."""
    return [name for name in TASKS if name]


def task_class(name: str | None) -> type[Task]:
    """Return the class of a task.

    Raises:
        HubModuleError: the name is unknown; the message has the nearest name.
    """
    if name is None or isinstance(name, str) and name in TASKS:
        return TASKS[name]
    names = task_names()
    plain = re.sub(r"[\s_-]+", "-", str(name).strip().lower())
    if plain in OTHER_NAMES or plain in names:
        hint = f" Did you mean {OTHER_NAMES.get(plain, plain)!r}?"
    else:
        known = [*names, *(other for other, name in OTHER_NAMES.items() if name)]  # "nope" is not a way to write None
        near = difflib.get_close_matches(plain, known, n=1)
        hint = f" Did you mean {OTHER_NAMES.get(near[0], near[0])!r}?" if near else ""
    raise HubModuleError(f"`task` must be None or one of {', '.join(names)}, but is {shown(name)}.{hint}")
