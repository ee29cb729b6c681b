"""The scores that the authors published, in percent, in the notation of their tables.

A cell is "max (mean)" over ten seeds. Reading comprehension has EM / F1, other tasks have accuracy. RBT3 and RBTL3 have
test scores only, without means. Source: the README of ymcui/Chinese-BERT-wwm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Mapping


@dataclass(frozen=True, kw_only=True)
class Score:
    """A score in percent. Without a published mean, `mean` is missing (None)."""

    max: float
    mean: float | None = None


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The scores of one cell: {"accuracy": …} or {"exact_match": …, "f1": …}."""

    by_metric: Mapping[str, Score]


_MODELS = (
    "bert-base-chinese",
    "chinese-bert-wwm",
    "chinese-bert-wwm-ext",
    "chinese-roberta-wwm-ext",
    "chinese-roberta-wwm-ext-large",
    "rbtl3",
    "rbt3",
)
# (task, split): a cell for each of _MODELS; the last cells can be missing
_TABLE: dict[tuple[str, str], tuple[str, ...]] = {
    ("cmrc2018", "dev"): (
        "65.5 (64.4) / 84.5 (84.0)",
        "66.3 (65.0) / 85.6 (84.7)",
        "67.1 (65.6) / 85.7 (85.0)",
        "67.4 (66.5) / 87.2 (86.5)",
        "68.5 (67.6) / 88.4 (87.9)",
    ),
    ("cmrc2018", "test"): (
        "70.0 (68.7) / 87.0 (86.3)",
        "70.5 (69.1) / 87.4 (86.7)",
        "71.4 (70.0) / 87.7 (87.0)",
        "72.6 (71.4) / 89.4 (88.8)",
        "74.2 (72.4) / 90.6 (90.0)",
        "63.3 / 83.4",
        "62.2 / 81.8",
    ),
    ("cmrc2018", "challenge"): (
        "18.6 (17.0) / 43.3 (41.3)",
        "21.0 (19.3) / 47.0 (43.9)",
        "24.0 (20.0) / 47.3 (44.6)",
        "26.2 (24.6) / 51.0 (49.1)",
        "31.5 (30.1) / 60.1 (57.5)",
    ),
    ("drcd", "dev"): (
        "83.1 (82.7) / 89.9 (89.6)",
        "84.3 (83.4) / 90.5 (90.2)",
        "85.0 (84.5) / 91.2 (90.9)",
        "86.6 (85.9) / 92.5 (92.2)",
        "89.6 (89.1) / 94.8 (94.4)",
    ),
    ("drcd", "test"): (
        "82.2 (81.6) / 89.2 (88.8)",
        "82.8 (81.8) / 89.7 (89.0)",
        "83.6 (83.0) / 90.4 (89.9)",
        "85.6 (85.2) / 92.0 (91.7)",
        "89.6 (88.9) / 94.5 (94.1)",
        "77.2 / 85.6",
        "75.0 / 83.9",
    ),
    ("cjrc", "dev"): (
        "54.6 (54.0) / 75.4 (74.5)",
        "54.7 (54.0) / 75.2 (74.8)",
        "55.6 (54.8) / 76.0 (75.3)",
        "58.7 (57.6) / 79.1 (78.3)",
        "62.1 (61.1) / 82.4 (81.6)",
    ),
    ("cjrc", "test"): (
        "55.1 (54.1) / 75.2 (74.3)",
        "55.1 (54.1) / 75.4 (74.4)",
        "55.6 (54.9) / 75.8 (75.0)",
        "59.0 (57.8) / 79.0 (78.0)",
        "62.4 (61.4) / 82.2 (81.0)",
    ),
    ("xnli", "dev"): ("77.8 (77.4)", "79.0 (78.4)", "79.4 (78.6)", "80.0 (79.2)", "82.1 (81.3)"),
    ("xnli", "test"): ("77.8 (77.5)", "78.2 (78.0)", "78.7 (78.3)", "78.8 (78.3)", "81.2 (80.6)", "74.0", "72.3"),
    ("chnsenticorp", "dev"): ("94.7 (94.3)", "95.1 (94.5)", "95.4 (94.6)", "95.0 (94.6)", "95.8 (94.9)"),
    ("chnsenticorp", "test"): (
        "95.0 (94.7)",
        "95.4 (95.0)",
        "95.3 (94.7)",
        "95.6 (94.8)",
        "95.8 (94.9)",
        "94.2",
        "92.8",
    ),
    ("lcqmc", "dev"): ("89.4 (88.4)", "89.4 (89.2)", "89.6 (89.2)", "89.0 (88.7)", "90.4 (90.0)"),
    ("lcqmc", "test"): ("86.9 (86.4)", "87.0 (86.8)", "87.1 (86.6)", "86.4 (86.1)", "87.0 (86.8)", "85.1", "85.1"),
    ("bq_corpus", "dev"): ("86.0 (85.5)", "86.1 (85.6)", "86.4 (85.5)", "86.0 (85.4)", "86.3 (85.7)"),
    ("bq_corpus", "test"): ("84.8 (84.6)", "85.2 (84.9)", "85.3 (84.8)", "85.0 (84.6)", "85.8 (84.9)", "83.6", "83.3"),
    ("thucnews", "dev"): ("97.7 (97.4)", "98.0 (97.6)", "97.7 (97.5)", "98.3 (97.9)", "98.3 (97.7)"),
    ("thucnews", "test"): ("97.8 (97.6)", "97.8 (97.6)", "97.7 (97.5)", "97.7 (97.5)", "97.8 (97.6)"),
}


def parse_scores(cell: str) -> Scores:
    """Return the scores of a cell like "65.5 (64.4) / 84.5 (84.0)"."""
    found = re.findall(r"([\d.]+)(?: \(([\d.]+)\))?", cell)
    metrics = ("accuracy",) if len(found) == 1 else ("exact_match", "f1")
    by_metric = {
        name: Score(max=float(best), mean=float(mean) if mean else None)
        for name, (best, mean) in zip(metrics, found, strict=True)
    }
    return Scores(by_metric=by_metric)


def _by_model() -> dict[str, dict[str, dict[str, Scores]]]:
    result: dict[str, dict[str, dict[str, Scores]]] = {}
    for (task, split), cells in _TABLE.items():
        for model, cell in zip(_MODELS, cells):
            result.setdefault(model, {}).setdefault(task, {})[split] = parse_scores(cell)
    return result


# model -> task -> split
PUBLISHED_SCORES = _by_model()
