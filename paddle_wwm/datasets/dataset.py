"""The record of a data set, and a split of it after reading."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping

from ..tasks.examples import Example, TaskName, has_label


@dataclass(frozen=True, kw_only=True)
class Split:
    """The examples of a split.

    Attributes:
        name: the name of the split, such as "dev".
        path: the file.
        sha256: the hash of the file.
        examples: the examples, in the order of the file.
        counts: how many items the reader repaired or left out, by rule; may be 0.
    """

    name: str
    path: str
    sha256: str
    examples: tuple[Example, ...]
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def has_labels(self) -> bool:
        """True if every example has a label, labels or an answer."""
        return all(map(has_label, self.examples))


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One row of the table of data sets.

    Attributes:
        name: the value of --task.
        title: the name in the authors' tables.
        task: the task.
        files: by split, the possible names of its file. The first that exists is used.
        reader: a name of `readers.splits.READERS`.
        columns: by field ("text", "text_pair", "label", "tokens", "labels"), the name or the number of its column.
        labels: the labels in the order of their numbers. If empty: the labels of the training split, in
            numerical or alphabetical order.
        drop_labels: rows with these labels are left out and counted; "" for an empty label. For classes of texts.
        metric: a name of `metrics.scores.METRICS`. Its `main_score` on dev chooses the best checkpoint.
        max_seq_length, batch_size, num_epochs: the recipe.
        learning_rate: the learning rate for models without a published one.
        learning_rates: the authors' best learning rates by model family ("bert", "ernie", "bert-wwm").
    """

    name: str
    title: str
    task: TaskName
    files: Mapping[str, tuple[str, ...]]
    reader: str
    columns: Mapping[str, str | int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    drop_labels: tuple[str, ...] = ()
    metric: str = "accuracy"
    max_seq_length: int = 256
    batch_size: int = 64
    num_epochs: int = 3
    learning_rate: float = 3e-5
    learning_rates: Mapping[str, float] = field(default_factory=dict)
