"""Scores of predictions, in percent: METRICS is the table of all metrics, `score` computes one, `main_score` says what
chooses a checkpoint.

A prediction that is missing counts as wrong, as in the authors' scripts; `unanswered` and `unknown_ids` tell how many
there are, for the report.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Callable, Mapping, Sequence

from ...errors import ConfigError, DataError
from ...tasks.examples import Example, QuestionExample, TaskName, TextExample, TokenExample
from .answers import AnswerRule, score_cjrc, score_cmrc, score_squad2

_IS_ENTITY_LABEL = re.compile("O|[BIMES]-.+")
Prediction = str | tuple[str, ...]
Predictions = Mapping[str, Prediction]
ScoreValues = Mapping[str, float]  # in percent, by metric: {"exact_match": 66.3, "f1": 85.6}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """values: the names of its scores, as tables show them. main: those whose mean chooses the best checkpoint."""

    task: TaskName
    values: tuple[str, ...]
    main: tuple[str, ...]
    compute: Callable[[Sequence, Predictions], dict[str, float]]


def score(metric: str, examples: Sequence[Example], predictions: Predictions) -> dict[str, float]:
    """The scores of a metric, in percent, by name.

    Raises ConfigError for an unknown metric, DataError for examples without labels (no score is invented) and for
    labels that do not fit the tokens.
    """
    if metric not in METRICS:
        raise ConfigError(f"the metric must be one of {', '.join(METRICS)}, but is {metric!r}.")
    row = METRICS[metric]
    if not examples:
        raise DataError("there must be examples to score, but there are none.")
    for example in examples:
        if not isinstance(example, _EXAMPLES[row.task]):
            raise DataError(
                f"{metric} scores {row.task.value}, but example {example.example_id!r} is a {type(example).__name__}."
            )
        if gold_of(example) is None:
            raise DataError(
                f"example {example.example_id!r} must have a label to be scored, but has none: predictions "
                f"can be written, not scored."
            )
    found = row.compute(examples, predictions)
    return {name: 100 * found[name] for name in row.values}


def main_score(metric: str, scores: Mapping[str, float]) -> float:
    """What chooses the best checkpoint: the accuracy, the F1, or for reading comprehension the mean of EM and F1 (CMRC
    2018's "AVERAGE").
    """
    names = METRICS[metric].main
    return sum(scores[name] for name in names) / len(names)


def gold_of(example: Example) -> str | tuple[str, ...] | None:
    """The label, the labels of the tokens, or the texts of the gold answers; None without any."""
    if isinstance(example, QuestionExample):
        return tuple(answer.text for answer in example.answers) or None
    return example.label if isinstance(example, TextExample) else example.labels


def unanswered(examples: Sequence[Example], predictions: Predictions) -> list[str]:
    """The ids of examples without a prediction, in order. They count as wrong."""
    return [example.example_id for example in examples if example.example_id not in predictions]


def unknown_ids(examples: Sequence[Example], predictions: Predictions) -> list[str]:
    """The ids of predictions that are of none of the examples; they do not count."""
    known = {example.example_id for example in examples}
    return [example_id for example_id in predictions if example_id not in known]


def _accuracy(examples: Sequence[TextExample], predictions: Predictions) -> dict[str, float]:
    return {
        "accuracy": sum(predictions.get(example.example_id) == example.label for example in examples) / len(examples)
    }


def _macro_f1(examples: Sequence[TextExample], predictions: Predictions) -> dict[str, float]:
    """The mean over all classes that are gold or predicted; a class never predicted right is 0. Of a missing
    prediction the gold class has a miss.
    """
    gold: Counter[Prediction | None] = Counter(example.label for example in examples)
    given: Counter[Prediction | None] = Counter(
        predictions[example.example_id] for example in examples if example.example_id in predictions
    )
    right: Counter[Prediction | None] = Counter(
        example.label for example in examples if predictions.get(example.example_id) == example.label
    )
    classes = set(gold) | set(given)
    return {
        "macro_f1": sum(2 * right[label] / (gold[label] + given[label]) for label in classes) / len(classes),
        **_accuracy(examples, predictions),
    }


def _token_labels(examples: Sequence[TokenExample], predictions: Predictions, *, missing: str) -> list[list[str]]:
    """A label for every token; `missing` where there is no prediction."""
    result = []
    for example in examples:
        labels = predictions.get(example.example_id, (missing,) * len(example.tokens))
        if isinstance(labels, str) or len(labels) != len(example.tokens):
            found = "is one text" if isinstance(labels, str) else f"has {len(labels)}"
            raise DataError(
                f"the prediction of {example.example_id!r} must have a label for each of its "
                f"{len(example.tokens)} tokens, but {found}."
            )
        result.append(list(labels))
    return result


def _gold_labels(example: TokenExample) -> tuple[str, ...]:
    assert example.labels is not None  # `score` refuses examples without labels
    return example.labels


def _text_of(prediction: Prediction) -> str:
    assert isinstance(prediction, str)  # of a question
    return prediction


def _token_accuracy(examples: Sequence[TokenExample], predictions: Predictions) -> dict[str, float]:
    given = _token_labels(examples, predictions, missing="")
    hits = [
        one == other for example, labels in zip(examples, given) for one, other in zip(_gold_labels(example), labels)
    ]
    return {"token_accuracy": sum(hits) / max(1, len(hits))}


def _entity_f1(examples: Sequence[TokenExample], predictions: Predictions) -> dict[str, float]:
    """Whole entities, type and both ends, by seqeval's default reading of BIO, BIOES and BMES, conlleval's: an I- or
    E- after O begins one.
    """
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

    foreign = sorted(
        {label for example in examples for label in _gold_labels(example) if not _IS_ENTITY_LABEL.fullmatch(label)}
    )
    if foreign:
        raise DataError(
            f"labels must be O or B-, I-, M-, E- or S- before a type to be scored as entities, but are "
            f"{', '.join(foreign)}: token_accuracy?"
        )
    gold, given = (
        [list(_gold_labels(example)) for example in examples],
        _token_labels(examples, predictions, missing="O"),
    )
    with (
        warnings.catch_warnings()
    ):  # of no entity at all, which is a score of 0, and of M-, which it reads as it should
        warnings.simplefilter("ignore")
        precision, recall, f1, _ = precision_recall_fscore_support(gold, given, average="micro")
    return {"precision": float(precision), "recall": float(recall), "f1": float(f1)}


def _answers(examples: Sequence[QuestionExample], predictions: Predictions, *, rule: AnswerRule) -> dict[str, float]:
    scores = [
        rule(_text_of(predictions[example.example_id]), [answer.text for answer in example.answers])
        for example in examples
        if example.example_id in predictions
    ]
    return {name: sum(getattr(one, name) for one in scores) / len(examples) for name in ("exact_match", "f1")}


def _metric_of_answers(rule: AnswerRule) -> Metric:
    both = ("exact_match", "f1")
    return Metric(task=TaskName.QUESTION_ANSWERING, values=both, main=both, compute=partial(_answers, rule=rule))


_EXAMPLES = {
    TaskName.SEQ_CLS: TextExample,
    TaskName.TOKEN_CLS: TokenExample,
    TaskName.QUESTION_ANSWERING: QuestionExample,
}
METRICS: Mapping[str, Metric] = {
    "accuracy": Metric(task=TaskName.SEQ_CLS, values=("accuracy",), main=("accuracy",), compute=_accuracy),
    "macro_f1": Metric(task=TaskName.SEQ_CLS, values=("macro_f1", "accuracy"), main=("macro_f1",), compute=_macro_f1),
    "entity_f1": Metric(
        task=TaskName.TOKEN_CLS, values=("f1", "precision", "recall"), main=("f1",), compute=_entity_f1
    ),
    "token_accuracy": Metric(
        task=TaskName.TOKEN_CLS, values=("token_accuracy",), main=("token_accuracy",), compute=_token_accuracy
    ),
    "cmrc": _metric_of_answers(score_cmrc),
    "cjrc": _metric_of_answers(score_cjrc),
    "squad2": _metric_of_answers(score_squad2),
}
