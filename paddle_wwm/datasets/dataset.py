"""What a data set is, and a split of it as it was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping

from ..tasks.examples import Example, TaskName, has_label


@dataclass(frozen=True, kw_only=True)
class Split:
    """A split as it was read. counts: what was repaired or left out, by rule, 0 included; sha256: of the file's
    bytes.
    """

    name: str
    path: str
    sha256: str
    examples: tuple[Example, ...]
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def has_labels(self) -> bool:
        """Whether every example has what is to be predicted."""
        return all(map(has_label, self.examples))


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One row of the table of data sets.

    name: for --task. title: as in the authors' tables. files: the names that a split's file may have, by split, the
    first that is there counts.
    reader: a name of `readers.READERS`. columns: what is what in it, by field ("text", "text_pair", "label", "tokens",
    "labels"), as a column's name or number. labels: in the order of their numbers; empty: those of the training split,
    sorted. metric: a name of `metrics.METRICS`; dev's main value (`main_score` of it) chooses the best checkpoint.
    learning_rates: the authors' best by family of models ("bert", "ernie", "bert-wwm"); learning_rate: where the model
    is of none.
    """

    name: str
    title: str
    task: TaskName
    files: Mapping[str, tuple[str, ...]]
    reader: str
    columns: Mapping[str, str | int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    metric: str = "accuracy"
    max_seq_length: int = 256
    batch_size: int = 64
    num_epochs: int = 3
    learning_rate: float = 3e-5
    learning_rates: Mapping[str, float] = field(default_factory=dict)
