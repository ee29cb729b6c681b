"""The notes below the table of a task: metrics, examples, settings, and differences from the authors' recipe."""

from __future__ import annotations

from typing import Sequence

from ..datasets.metrics.scores import METRICS
from ..datasets.table import DATASETS
from ..finetuning.results import RunRecord
from ..tasks.examples import TaskName
from .runs import Entry

SETTINGS_OF_READING = ("doc_stride", "max_question_len", "max_answer_len", "kinds_of_answers")


def task_notes(entries: Sequence[Entry], *, published: bool) -> tuple[str, ...]:
    """Return the notes.

    Settings of reading comprehension are left out for other tasks.
    """
    record = entries[0].record
    metrics = " / ".join(name.replace("_", " ") for name in entries[0].metrics(entries[0].splits[0]))
    reads_passages = record.metric in METRICS and METRICS[record.metric].task is TaskName.QUESTION_ANSWERING
    recipe = ", ".join(
        f"{name} {value}"
        for name, value in record.recipe.items()
        if isinstance(value, (int, float)) and value and (reads_passages or name not in SETTINGS_OF_READING)
    )
    sizes = ", ".join(
        f"{split} {values['num_examples']:,}" for split, values in record.data.items() if "num_examples" in values
    )
    notes = [
        f"{metrics} in percent: max (mean) over the seeds; sd: standard deviation over the seeds (n − 1).",
        f"Examples: {sizes}. Recipe: {recipe}.",
    ]
    versions = sorted({entry.record.version for entry in entries})
    if len(versions) > 1:
        notes.append(f"Run by different versions of this program: {', '.join(versions)}.")
    if published:
        notes.append(
            "Published: the authors' max (mean) over ten seeds. Difference: of the means, or of the maxima if no mean "
            "is published."
        )
        notes += _not_the_authors(record)
    return tuple(notes)


def _not_the_authors(record: RunRecord) -> list[str]:
    """Return a note if the recipe or the data differ from those of the authors."""
    task = DATASETS.get(record.task)
    theirs = {name: getattr(task, name) for name in ("max_seq_length", "batch_size", "num_epochs")} if task else {}
    changed = [
        f"{name} {record.recipe[name]} instead of {value}"
        for name, value in theirs.items()
        if record.recipe.get(name, value) != value
    ]
    changed += [f"{record.recipe['limit_train']:,} training examples only"] if record.recipe.get("limit_train") else []
    return (
        [f"The recipe differs from the authors': {', '.join(changed)}. So the models are not the only difference."]
        if changed
        else []
    )
