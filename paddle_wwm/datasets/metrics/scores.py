"""Scores of predictions, in percent.

METRICS is the table of all metrics. `score` computes a metric. `main_score` is the value that chooses a checkpoint.

A missing prediction counts as wrong, as in the authors' scripts. `unanswered` and `unknown_ids` list missing and
unknown predictions for the report.
"""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Callable, Mapping, Sequence

from ...errors import ConfigError, DataError
from ...tasks.examples import Example, QuestionExample, TaskName, TextExample, TokenExample
from ..label_names import is_entity_label
from .answers import AnswerRule, score_cjrc, score_cmrc, score_squad2

Prediction = str | tuple[str, ...]
Predictions = Mapping[str, Prediction]
ScoreValues = Mapping[str, float]  # in percent, by metric: {"exact_match": 66.3, "f1": 85.6}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric.

    Attributes:
        task: the task that it scores.
        values: the names of its scores, in the order of tables.
        main: the scores whose mean chooses the best checkpoint.
        compute: computes the scores, from 0 to 1, from examples and predictions.
    """

    task: TaskName
    values: tuple[str, ...]
    main: tuple[str, ...]
    compute: Callable[[Sequence, Predictions], dict[str, float]]


def score(metric: str, examples: Sequence[Example], predictions: Predictions) -> dict[str, float]:
    """Return the scores of a metric, in percent, by name.

    Raises:
        ConfigError: the metric is unknown.
        DataError: examples have no labels, or predicted labels do not match the tokens.
    """
    if metric not in METRICS:
        raise ConfigError(f"the metric must be one of {', '.join(METRICS)}, but is {metric!r}.")
    row = METRICS[metric]
    if not examples:
        raise DataError("there must be at least 1 example to score, but there are 0.")
    for example in examples:
        if not isinstance(example, _EXAMPLES[row.task]):
            raise DataError(
                f"{metric} scores {row.task.value}, but example {example.example_id!r} is a {type(example).__name__}."
            )
        if gold_of(example) is None:
            raise DataError(
                f"example {example.example_id!r} must have a label to be scored, but has none. Predictions can be "
                f"written, but not scored."
            )
    found = row.compute(examples, predictions)
    return {name: 100 * found[name] for name in row.values}


def main_score(metric: str, scores: Mapping[str, float]) -> float:
    """Return the score that chooses the best checkpoint.

    It is the accuracy or the F1. For reading comprehension it is the mean of EM and F1 ("AVERAGE" of CMRC 2018).
    """
    names = METRICS[metric].main
    return sum(scores[name] for name in names) / len(names)


def gold_of(example: Example) -> str | tuple[str, ...] | None:
    """Return the label, the token labels, or the texts of the gold answers, or None."""
    if isinstance(example, QuestionExample):
        return tuple(answer.text for answer in example.answers) or None
    return example.label if isinstance(example, TextExample) else example.labels


def unanswered(examples: Sequence[Example], predictions: Predictions) -> list[str]:
    """Return the ids of examples without a prediction. They count as wrong."""
    return [example.example_id for example in examples if example.example_id not in predictions]


def unknown_ids(examples: Sequence[Example], predictions: Predictions) -> list[str]:
    """Return the ids of predictions that belong to no example. They are ignored."""
    known = {example.example_id for example in examples}
    return [example_id for example_id in predictions if example_id not in known]


def _accuracy(examples: Sequence[TextExample], predictions: Predictions) -> dict[str, float]:
    return {
        "accuracy": sum(predictions.get(example.example_id) == example.label for example in examples) / len(examples)
    }


def _macro_f1(examples: Sequence[TextExample], predictions: Predictions) -> dict[str, float]:
    """Return macro F1 and accuracy.

    Macro F1 is the mean over all classes that are gold or predicted. A class without a correct prediction counts as 0.
    A missing prediction is a false negative of the gold class.
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
    """Return the predicted label of every token; `missing` without a prediction."""
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
    assert example.labels is not None  # `score` raises DataError for examples without labels
    return example.labels


def _text_of(prediction: Prediction) -> str:
    assert isinstance(prediction, str)  # the prediction for a question
    return prediction


def _token_accuracy(examples: Sequence[TokenExample], predictions: Predictions) -> dict[str, float]:
    given = _token_labels(examples, predictions, missing="")
    hits = [
        one == other for example, labels in zip(examples, given) for one, other in zip(_gold_labels(example), labels)
    ]
    return {"token_accuracy": sum(hits) / max(1, len(hits))}


def _entity_f1(examples: Sequence[TokenExample], predictions: Predictions) -> dict[str, float]:
    """Return precision, recall and F1 of whole entities.

    An entity is right if its type, its start and its end match. BIO, BIOES and BMES are read as in seqeval's default
    mode and in conlleval: an I- or E- after O starts an entity.
    """
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

    foreign = sorted({label for example in examples for label in _gold_labels(example) if not is_entity_label(label)})
    if foreign:
        raise DataError(
            f"labels of entities must be O, or B-, I-, M-, E- or S- before a type, but some are "
            f"{', '.join(foreign)}; for other labels use the metric token_accuracy."
        )
    gold, given = (
        [list(_gold_labels(example)) for example in examples],
        _token_labels(examples, predictions, missing="O"),
    )
    with warnings.catch_warnings():
        # seqeval warns if there are no entities, although the score is 0, and about M-, although it reads it correctly
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
