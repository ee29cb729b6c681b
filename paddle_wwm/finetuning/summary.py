"""The description of a fine-tuning run before it starts, and the summary of its scores at the end.

Scores are written as max (mean) over the seeds, as the authors of the models write them.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from ..datasets.label_names import only_numbers
from ..files import atomic_write
from .recipe import steps_per_epoch
from .results import MODEL_NAME, SUMMARY_NAME, RunRecord, SeedResult, read_results, read_run, seed_folder

if TYPE_CHECKING:
    from .set_up import PreparedRun

SHOWN_LABELS = 20


def describe_run(prepared: PreparedRun, *, num_workers: int, seeds: Sequence[int]) -> str:
    """Describe a run before it starts, with an example as the model reads it.

    So a wrong setting can be found before it costs time.
    """
    record, recipe = prepared.record, prepared.recipe
    num_rows = len(prepared.train.rows)
    per_epoch = steps_per_epoch(num_rows, recipe=recipe)
    sizes = record.model["config"]
    is_short = recipe.max_seq_length == sizes["max_position_embeddings"] < prepared.dataset.max_seq_length
    why = (
        f" (the number of positions of the model; the default of the task is {prepared.dataset.max_seq_length})"
        if is_short
        else ""
    )
    lines = [
        f"{record.title} with {record.model['name']}: {sizes['num_hidden_layers']} layers x {sizes['hidden_size']}, "
        f"{record.model['num_parameters'] / 1e6:.1f}M parameters, {record.model['path']}",
    ]
    for name, split in record.data.items():
        counted = ", ".join(f"{count:,} {rule.replace('_', ' ')}" for rule, count in split["counts"].items() if count)
        unlabelled = "" if split["has_labels"] else " (no labels: predictions are written, but no score)"
        lines.append(f"  {name:<6} {split['num_examples']:,} examples of {split['path']}: {counted}{unlabelled}")
    lines += labels_in_words(record)
    if "dev" not in record.data:
        lines.append("  there is no dev split: the last checkpoint is used")
    lines.append(
        f"  recipe {recipe.num_epochs} epochs x {per_epoch:,} steps of {recipe.batch_size}, at most "
        f"{recipe.max_seq_length} tokens{why}, "
        f"learning rate {recipe.learning_rate:g}, warmup {recipe.warmup_ratio:.0%}"
        + (f", layer decay {recipe.layer_decay:g}" if recipe.layer_decay != 1.0 else "")
    )
    lines.append(f"  seeds  {', '.join(map(str, seeds))}; {num_workers} worker(s)")
    lines.append(f"  input  {prepared.example}")
    return "\n".join(lines)


def labels_in_words(record: RunRecord) -> list[str]:
    """Return a line about names of labels, or about labels that are only numbers."""
    labels, names = record.recipe.get("labels") or (), record.recipe.get("label_names")
    shown = [f"{label} = {name}" for label, name in zip(labels, names)] if names else list(labels)
    listed = ", ".join(shown[:SHOWN_LABELS]) + (" …" if len(shown) > SHOWN_LABELS else "")
    if names:
        return [f"  labels {listed}"]
    if only_numbers(labels):
        return [
            f"  labels {listed}: only numbers, so the model predicts numbers; for words, give names: --label-names "
            f"FILE_OR_LIST"
        ]
    return []


def best_seed(results: Sequence[SeedResult]) -> SeedResult:
    """Return the seed with the best main score on dev.

    If a seed has no score on dev, the first seed is returned.
    """
    if any("dev" not in result.scores for result in results):
        return results[0]
    return max(results, key=lambda result: result.scores["dev"][next(iter(result.scores["dev"]))])


def summary_of(record: RunRecord, results: Sequence[SeedResult], *, output: Path) -> str:
    """Return the scores of a run over its seeds, and the paths of its files."""
    if not results:
        return f"{output}: no seed is finished."
    seconds = sum(result.seconds for result in results)
    workers = sorted({result.num_workers for result in results})
    splits = list(dict.fromkeys(split for result in results for split in result.scores))
    lines = [
        (
            f"{record.title}, {record.model['name']}: max (mean) of {len(results)} seed(s), in percent; "
            f"{duration(seconds)} in total"
        )
    ]
    for split in splits:
        cells = []
        for name in results[0].scores[split]:
            values = [result.scores[split][name] for result in results]
            spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            cells.append(f"{name.replace('_', ' ')} {max(values):.1f} ({statistics.fmean(values):.1f}){spread}")
        lines.append(f"  {split:<6} {' / '.join(cells)}  n = {len(results)}")
    if not splits:
        lines.append("  no split has labels, so there is no score")
    speed = statistics.median(result.texts_per_second for result in results)
    lines.append(f"  speed  {speed:,.1f} texts/s, {' or '.join(map(str, workers))} worker(s)")
    model = seed_folder(output, best_seed(results).seed) / MODEL_NAME
    if model.exists():
        lines.append(f"  model  {model}" + (" (the best seed by dev)" if "dev" in splits and len(results) > 1 else ""))
    lines += labels_in_words(record)
    lines.append(f"  files  {output}/seed-*/result.json, predictions/, log.jsonl; {output / SUMMARY_NAME}")
    return "\n".join(lines)


def write_summary(output: Path) -> str:
    """Write the summary of a run to a file, and return it."""
    text = summary_of(read_run(output), read_results(output), output=output)
    with atomic_write(output / SUMMARY_NAME, "w") as stream:
        stream.write(text + "\n")
    return text


def duration(seconds: float) -> str:
    """Return a duration as text: 65 -> "1 min 5 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
