"""The heads of fine-tuned models: which one a source has, and the names of its classes.

    task                 class in transformers and PaddleNLP     head in transformers   pooler
    seq-cls              BertForSequenceClassification           classifier             yes
    multi-label          the same, with `problem_type`           classifier             yes
    token-cls            BertForTokenClassification              classifier             none in transformers
    question-answering   BertForQuestionAnswering                qa_outputs             none in transformers
      with kinds         none                                    none                   yes
    text-matching        none                                    none                   not read

The shapes do not show the task, so the configuration must state it (`architectures`, or our own `finetuning_task`), or
the user. A model that computes something else with such a head (a regression, a choice) is refused. Sources:
transformers modeling_bert.py, PaddleNLP bert/modeling.py and roberta/modeling.py, google-research/bert
run_classifier.py and run_squad.py.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

from ..errors import CheckpointError, ConfigError
from ..model.config_keys import ANSWER_KINDS, DATA_LABELS_KEY, LABELS_KEY, READING_KEY, TASK_KEY
from ..model.folder import KIND_CLASSIFIER
from .labels import MAX_SHOWN, placeholder_labels, stated_labels

DROPOUT_KEY, PROBLEM_KEY = "classifier_dropout", "problem_type"
SINGLE_LABEL, MULTI_LABEL = "single_label_classification", "multi_label_classification"
ONLY_THE_ENCODER = "To convert only the encoder, add --drop-unexpected."


class HeadKind(enum.Enum):
    """The kind of a head. The value is the name of the task, or of its variant."""

    SEQUENCE = "seq-cls"
    MULTI_LABEL = "multi-label"
    TOKENS = "token-cls"
    ANSWERS = "question-answering"
    ANSWERS_WITH_KINDS = "question-answering with kinds"
    MATCHING = "text-matching"

    @property
    def task(self) -> str:
        """The name of the task."""
        return HeadKind.ANSWERS.value if self is HeadKind.ANSWERS_WITH_KINDS else self.value

    @property
    def has_foreign_class(self) -> bool:
        """True if transformers and PaddleNLP have a class with this head."""
        return self not in (HeadKind.ANSWERS_WITH_KINDS, HeadKind.MATCHING)

    @property
    def architecture(self) -> str:
        """The class of transformers and of PaddleNLP with this head, or with its encoder."""
        return f"BertFor{_CLASSES[self]}" if self in _CLASSES else "BertModel"

    @property
    def reads_pooler(self) -> bool:
        """True if the head reads the pooled state.

        transformers' classes of the other heads have no pooler.
        """
        return self in (HeadKind.SEQUENCE, HeadKind.MULTI_LABEL, HeadKind.ANSWERS_WITH_KINDS)

    @property
    def has_labels(self) -> bool:
        """True if the outputs are classes that the user names.

        Otherwise they are the first and the last token of an answer, and its kind.
        """
        return self not in (HeadKind.ANSWERS, HeadKind.ANSWERS_WITH_KINDS)


_CLASSES = {
    HeadKind.SEQUENCE: "SequenceClassification",
    HeadKind.MULTI_LABEL: "SequenceClassification",
    HeadKind.TOKENS: "TokenClassification",
    HeadKind.ANSWERS: "QuestionAnswering",
    HeadKind.ANSWERS_WITH_KINDS: "QuestionAnswering",
}
TASK_NAMES = tuple(dict.fromkeys(kind.task for kind in HeadKind))
_ARCHITECTURE = re.compile(r"(?:TF|Flax)?(?:Bert|Roberta)For(\w+)")
_HEAD_NAMES = re.compile(
    r"((kind_)?classifier(\.(dense|out_proj))?|qa_outputs)\.(weight|bias)|(cls/squad/)?output_(weights|bias)"
)
_ANSWERS_ONLY = re.compile(r"qa_outputs\.|cls/squad/")
_CHOICE = "MultipleChoice"


@dataclass(frozen=True, kw_only=True)
class Head:
    """The head of a fine-tuned model.

    Args:
        num_outputs: the number of outputs.
        labels: the names of the classes in the order of their numbers, or the kinds of answers; empty for answers
            without kinds.
        others: keys of the configuration that concern the head and that every target keeps.
    """

    kind: HeadKind
    num_outputs: int
    labels: tuple[str, ...] = ()
    others: Mapping[str, Any] = field(default_factory=dict)

    @property
    def in_words(self) -> str:
        """The task and the labels, for messages."""
        shown = ", ".join(self.labels[:MAX_SHOWN]) + (" …" if self.labels[MAX_SHOWN:] else "")
        return f"{self.kind.value}{f', {len(self.labels)} labels: {shown}' if self.labels else ''}"

    def config_values(self) -> dict[str, Any]:
        """Return what config.json states about the head."""
        values: dict[str, Any] = {"architectures": [self.kind.architecture], TASK_KEY: self.kind.task}
        if self.kind is HeadKind.MULTI_LABEL:
            values[PROBLEM_KEY] = MULTI_LABEL
        if self.labels:
            values[LABELS_KEY] = {str(number): label for number, label in enumerate(self.labels)}
            values["label2id"] = {label: number for number, label in enumerate(self.labels)}
        return {**values, **self.others}


def kind_of(name: str) -> HeadKind:
    """Return the kind of head of a task.

    Raises:
        ConfigError: no head of this task is converted.
    """
    if name in TASK_NAMES:
        return HeadKind(name)
    raise ConfigError(f"`task` must be one of {', '.join(TASK_NAMES)}, but is {name!r}.")


def is_head(name: str) -> bool:
    """Return True for the standard name of a tensor of a known head."""
    return _HEAD_NAMES.fullmatch(name) is not None


def find_kind(
    names: Iterable[str], values: Mapping[str, Any], *, given: HeadKind | None, path: Path
) -> HeadKind | None:
    """Return the kind of the head in a source.

    None: it has no head, or nothing states the task of the head.

    Args:
        names: the standard names of the tensors.
        values: the configuration.
        given: the kind that the user stated.
        path: the configuration, for messages.

    Raises:
        CheckpointError: the head computes something that cannot be converted, or the configuration states a head that
            the weights do not have.
    """
    heads = [name for name in names if is_head(name)]
    has_kinds = any(name.startswith(KIND_CLASSIFIER) for name in heads)
    kind = given or _stated_kind(values, path=path)
    if kind is None and (has_kinds or any(_ANSWERS_ONLY.match(name) for name in heads)):
        kind = HeadKind.ANSWERS
    if kind is None:
        return None
    problem, expected = values.get(PROBLEM_KEY), MULTI_LABEL if kind is HeadKind.MULTI_LABEL else SINGLE_LABEL
    if problem not in (None, expected):
        raise CheckpointError(
            f"{path}: `{PROBLEM_KEY}` must be {expected} for {kind.task}, but is {problem!r}: the outputs of this head "
            f"would be read in another way. {ONLY_THE_ENCODER}"
        )
    return HeadKind.ANSWERS_WITH_KINDS if kind is HeadKind.ANSWERS and has_kinds else kind


def _stated_kind(values: Mapping[str, Any], *, path: Path) -> HeadKind | None:
    task = values.get(TASK_KEY)
    if isinstance(task, str) and task in TASK_NAMES:
        return HeadKind(task)
    stated = values.get("architectures")
    classes = [*(stated if isinstance(stated, list) else ()), values.get("init_class")]
    for name in classes:
        match = _ARCHITECTURE.fullmatch(name) if isinstance(name, str) else None
        if match and match[1] == _CHOICE:
            raise CheckpointError(
                f"{path}: states the head of {name} (a choice between texts), which cannot be converted. "
                f"{ONLY_THE_ENCODER}"
            )
        kind = next((kind for kind, ending in _CLASSES.items() if match and ending == match[1]), None)
        if kind is HeadKind.SEQUENCE and values.get(PROBLEM_KEY) == MULTI_LABEL:
            return HeadKind.MULTI_LABEL
        if kind is not None:
            return kind
    return None


def with_labels(
    head: Head, *, values: Mapping[str, Any], given: Sequence[str] | None, path: Path
) -> tuple[Head, tuple[str, ...]]:
    """Return the head with the names of its classes, and notes for the user.

    Args:
        values: the configuration.
        given: the labels that the user stated, in the order of their numbers.
        path: the configuration, for messages.

    Raises:
        CheckpointError: the labels do not fit the tensors, or the head is a regression.
        ConfigError: the user stated labels for a head that has none.
    """
    num_outputs = head.num_outputs
    if head.kind is HeadKind.SEQUENCE and num_outputs == 1:
        raise CheckpointError(
            f"{path}: the classifier has one output, so the model predicts a number (a regression), not a class. "
            f"{ONLY_THE_ENCODER}"
        )
    others = {
        name: values[name] for name in (DROPOUT_KEY, READING_KEY, DATA_LABELS_KEY) if values.get(name) is not None
    }
    if not head.kind.has_labels:
        if given is not None:
            raise ConfigError(f"{path}: the head of {head.kind.value} has no labels, so --label-map cannot name them.")
        kinds = ANSWER_KINDS if head.kind is HeadKind.ANSWERS_WITH_KINDS else ()
        return dataclasses.replace(head, labels=kinds, others=others), ()
    labels, notes = (tuple(given), ()) if given is not None else stated_labels(values, path=path)
    if labels and len(labels) != num_outputs:
        raise CheckpointError(
            f"{'--label-map' if given is not None else path}: has {len(labels)} labels, but the classifier has "
            f"{num_outputs} outputs. Name every output with --label-map."
        )
    if len(set(labels)) != len(labels):
        raise CheckpointError(f"--label-map: must give every class another name, but has {', '.join(labels)}.")
    _check_count(values, num_outputs, path=path)
    if not labels:
        labels = placeholder_labels(num_outputs)
        notes = (
            *notes,
            f"The source does not name its {num_outputs} classes; they are called {labels[0]} to {labels[-1]}, as in "
            "transformers. Name them with --label-map.",
        )
    return dataclasses.replace(head, labels=labels, others=others), notes


def _check_count(values: Mapping[str, Any], num_outputs: int, *, path: Path) -> None:
    for name in ("num_labels", "_num_labels", "num_classes"):
        if values.get(name) not in (None, num_outputs):
            raise CheckpointError(
                f"{path}: `{name}` is {values[name]!r}, but the classifier has {num_outputs} outputs. Correct the "
                "wrong one."
            )
