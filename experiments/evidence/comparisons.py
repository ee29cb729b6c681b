"""Tables of the results: masked accuracy, fine-tuned scores, and paired differences between the arms."""

from __future__ import annotations

import statistics
from typing import Mapping

from paddle_wwm.datasets.metrics.scores import METRICS
from paddle_wwm.datasets.table import find_dataset
from paddle_wwm.reports.format import NOTHING, Table, max_and_mean, numbers

from .experiment import PRETRAINED, Arm, EvidenceConfig, FineTuning
from .finetune import Scores, scores_of
from .masked import read_masked
from .statistics import CONFIDENCE, PairedDifference, paired_difference

NAMES = {Arm.WHOLE_WORD: "whole words", Arm.PIECE: "pieces", Arm.FROM_SCRATCH: "from scratch"}
MEASURES = {"masked_accuracy": "masked pieces right", "word_accuracy": "masked words right"}
SPLITS = ("dev", "test")


def masked_scores(config: EvidenceConfig, arm: Arm, *, masking: Arm, measure: str) -> Scores:
    """Return a masked accuracy in percent, by pretraining seed."""
    found = {seed: read_masked(config, arm, seed) for seed in config.seeds}
    return {seed: [100 * values[masking.value][measure]] for seed, values in found.items() if values}


def masked_table(config: EvidenceConfig) -> Table:
    """Return both arms under both maskings: the mean over seeds, and each seed."""
    columns = [(masking, measure) for masking in PRETRAINED for measure in MEASURES]
    rows = []
    for arm in PRETRAINED:
        cells = []
        for masking, measure in columns:
            values = [
                value
                for seed_values in masked_scores(config, arm, masking=masking, measure=measure).values()
                for value in seed_values
            ]
            cells.append(
                f"{statistics.fmean(values):.2f} ({', '.join(f'{value:.2f}' for value in values)})"
                if values
                else NOTHING
            )
        rows.append((NAMES[arm], *cells))
    header = ("pretrained on", *(f"{NAMES[masking]} hidden: {MEASURES[measure]}" for masking, measure in columns))
    return Table(key="masked", title="", header=header, rows=tuple(rows))


def metrics_of(task: FineTuning) -> tuple[str, ...]:
    """Return the metrics that the page shows for a task."""
    return METRICS[find_dataset(task.task).metric].main


def finetuned_table(config: EvidenceConfig, task: FineTuning) -> Table:
    """Return the fine-tuned scores of a task, by arm and split.

    A row has max (mean) and standard deviation over all fine-tuning runs, and the mean of each pretraining seed.
    """
    metrics, rows = metrics_of(task), []
    for arm in Arm:
        for split in SPLITS:
            by_metric = [scores_of(config, task, arm, split=split, metric=metric) for metric in metrics]
            every = [[value for values in scores.values() for value in values] for scores in by_metric]
            if not all(every) or not every:
                rows.append((NAMES[arm], split, "0", *[NOTHING] * 3))
                continue
            means = [[statistics.fmean(values) for values in scores.values()] for scores in by_metric]
            rows.append(
                (
                    NAMES[arm],
                    split,
                    str(len(every[0])),
                    max_and_mean((max(values), statistics.fmean(values)) for values in every),
                    numbers((statistics.stdev(values) if len(values) > 1 else None for values in every), ".2f"),
                    "; ".join(numbers(values, ".1f") for values in zip(*means)),
                )
            )
    header = ("model", "split", "fine-tunings", "max (mean)", "sd", "mean of each pretraining seed")
    return Table(key=task.task, title="", header=header, rows=tuple(rows))


def differences(
    config: EvidenceConfig, *, one: Arm = Arm.WHOLE_WORD, other: Arm = Arm.PIECE
) -> Mapping[str, PairedDifference]:
    """Return one arm minus another, by measure, for the measures that both arms have."""
    scores: dict[str, list[Scores]] = {}
    if one in PRETRAINED and other in PRETRAINED and not config.borrows_models:
        for masking in PRETRAINED:
            for measure, words in MEASURES.items():
                scores[f"{words}, {NAMES[masking]} hidden"] = [
                    masked_scores(config, arm, masking=masking, measure=measure) for arm in (one, other)
                ]
    for task in config.tasks:
        for metric in metrics_of(task):
            for split in SPLITS:
                prefix = "" if other in PRETRAINED else f"{NAMES[one]}: "
                name = f"{prefix}{title_of(task)}, {split}, {metric.replace('_', ' ')}"
                scores[name] = [scores_of(config, task, arm, split=split, metric=metric) for arm in (one, other)]
    return {name: paired_difference(*sides) for name, sides in scores.items() if set(sides[0]) & set(sides[1])}


def without_pretraining(config: EvidenceConfig) -> Mapping[str, PairedDifference]:
    """Return each pretrained arm minus the initial weights of its pair, on test."""
    every = [differences(config, one=arm, other=Arm.FROM_SCRATCH) for arm in PRETRAINED]
    return {name: item for found in every for name, item in found.items() if ", test, " in name}


def tasks_without_gain(config: EvidenceConfig) -> Mapping[str, str]:
    """Return the tasks on which no arm has a decided lead over "from scratch".

    The value is "below" if "from scratch" has a decided lead over both arms in all metrics, else "equal".
    """
    found = without_pretraining(config)
    result = {}
    for task in config.tasks:
        decisions = {decision(item) for name, item in found.items() if title_of(task) in name}
        if decisions and "higher" not in decisions:
            result[title_of(task)] = "below" if decisions == {"lower"} else "equal"
    return result


def title_of(task: FineTuning) -> str:
    """Return the title of a task as its authors write it."""
    return find_dataset(task.task).title


def difference_table(found: Mapping[str, PairedDifference], *, what: str = "whole words minus pieces") -> Table:
    """Return differences in percentage points: interval, decision, and each pair."""
    rows = [
        (
            name,
            f"{item.mean:+.2f}",
            _interval(item),
            decision(item),
            ", ".join(f"{value:+.2f}" for value in item.differences),
        )
        for name, item in found.items()
    ]
    header = (what, "mean", f"{CONFIDENCE:.0%} interval", "decided", "each pair")
    return Table(key="differences", title="", header=header, rows=tuple(rows))


def _interval(item: PairedDifference) -> str:
    return NOTHING if item.low is None or item.high is None else f"[{item.low:+.2f}, {item.high:+.2f}]"


def decision(item: PairedDifference) -> str:
    """Return "higher" or "lower" if the interval excludes 0, else "no"."""
    return "no" if not item.excludes_zero else "higher" if item.mean > 0 else "lower"


def verdict(found: Mapping[str, PairedDifference]) -> str:
    """Return the lists of decided differences, for each arm, and of undecided ones."""
    if not found:
        return "No results yet: no pair is finished.\n"
    words = {
        "higher": "Whole words are ahead (the interval excludes 0)",
        "lower": "Pieces are ahead (the interval excludes 0)",
        "no": "Not decided (the interval includes 0)",
    }
    return "".join(f"- {text}: {_decided(found, key) or 'none'}.\n" for key, text in words.items())


def in_short(found: Mapping[str, PairedDifference]) -> str:
    """Return the decided differences and the number of undecided ones, in one line."""
    if not found:
        return "no pair is finished."
    ahead = [
        f"{text} ahead: {names}"
        for key, text in (("higher", "whole words"), ("lower", "pieces"))
        if (names := _decided(found, key))
    ]
    undecided = sum(decision(item) == "no" for item in found.values())
    return "; ".join([*(ahead or ["no arm ahead"]), f"{undecided} of {len(found)} measures not decided"]) + "."


def _decided(found: Mapping[str, PairedDifference], key: str) -> str:
    return "; ".join(f"{name} ({item.mean:+.2f})" for name, item in found.items() if decision(item) == key)
