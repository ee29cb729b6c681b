"""The page docs/evidence.md: a fixed text with the numbers of one output folder, and its pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

from paddle_wwm.files import atomic_write
from paddle_wwm.finetuning.results import read_run
from paddle_wwm.reports.format import as_markdown
from paddle_wwm.runs.folder import RUN_NAME
from paddle_wwm.shards.manifest import MANIFEST_NAME

from . import comparisons
from .commands import commands
from .corpus import REPORT_NAME
from .experiment import PLAN_NAME, PRETRAINED, Arm, EvidenceConfig, FineTuning
from .finetune import check_comparable, finished_paths, seed_results
from .pictures import finetuning_picture, pretraining_picture
from .pretrain import is_pretrained, masked_share
from .text import (
    FOLLOW_UP,
    FOLLOW_UP_MODELS,
    FOLLOW_UP_OUTCOME,
    FOLLOW_UP_PRETRAINING,
    PAGE,
    SHOWS,
    WITHOUT_GAIN,
    WITHOUT_GAIN_IN_SHORT,
)


@dataclass(frozen=True, kw_only=True)
class Page:
    """The document and its pictures, by file name."""

    text: str
    pictures: dict[str, str]


def make_page(config: EvidenceConfig, *, name: str = "evidence", follow_ups: Sequence[EvidenceConfig] = ()) -> Page:
    """Build the page from the output folder; missing parts are reported as missing."""
    check_comparable_if_any(config)
    pictures = _pictures(config, name=name)
    planned = _planned(follow_ups, name=name)
    for prefix, other in planned.items():
        pictures |= _pictures(other, name=prefix)
    found = comparisons.differences(config)
    text = PAGE.format(
        status=status_of(config),
        summary=_summary(config, planned),
        model=_model_text(config),
        corpus=_corpus_text(config),
        pairs=len(config.seeds),
        finetuning_seeds=config.num_finetuning_seeds,
        floor_seeds=config.num_floor_seeds,
        evaluation_examples=f"{config.evaluation_examples:,}",
        masked_shares=_masked_shares(config),
        masked=as_markdown(comparisons.masked_table(config)),
        pretraining_picture=f"{name}-pretraining.svg",
        finetuning_picture=f"{name}-finetuning.svg",
        tasks="\n".join(_task_text(config, task) for task in config.tasks),
        differences=as_markdown(comparisons.difference_table(found)) if found else "No pair is finished yet.\n",
        floor=_floor_text(config),
        verdict=comparisons.verdict(found) + "\n" + _without_gain_text(config),
        shows=SHOWS.format(pairs=len(config.seeds), tokens=_tokens(config)),
        follow_ups="\n".join(_follow_up_text(other, name=prefix) for prefix, other in planned.items())
        or "There are no follow-ups.\n",
        commands=commands(config, tuple(planned.values())),
    )
    return Page(text=text, pictures=pictures)


def write_page(page: Page, path: Path) -> list[Path]:
    """Write the document, and its pictures next to it."""
    written = []
    for target, content in (
        (path, page.text),
        *((path.parent / name, svg + "\n") for name, svg in page.pictures.items()),
    ):
        with atomic_write(target, "w") as stream:
            stream.write(content)
        written.append(target)
    return written


def check_comparable_if_any(config: EvidenceConfig) -> None:
    """Check that the finished runs of each task are comparable.

    Raises:
        DataError: Two runs of a task are not comparable.
    """
    if finished_paths(config):
        check_comparable(config)


def status_of(config: EvidenceConfig) -> str:
    """Return a sentence with the numbers of finished models and runs."""
    trained = sum(is_pretrained(config, arm, seed) for arm, seed in config.pretrained())
    wanted = len(config.seeds) * len(PRETRAINED)
    tuned = sum(len(seed_results(config, task, arm, seed)) for task in config.tasks for arm, seed in config.models())
    all_tuned = len(config.tasks) * sum(config.num_seeds_of(arm) for arm, _ in config.models())
    return f"{trained} of {wanted} models are pretrained, {tuned} of {all_tuned} fine-tuning runs are done."


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _model_text(config: EvidenceConfig) -> str:
    manifest = _read_json(config.shards_path / MANIFEST_NAME)
    run = config.arm_config(Arm.WHOLE_WORD, config.seeds[0], vocab_size=manifest.get("vocab_size", 1))
    phases = "; then ".join(
        f"{phase.num_steps:,} steps of {phase.global_batch_size} examples of up to {phase.max_seq_length} "
        f"tokens, learning rate "
        f"{phase.learning_rate:g} after {phase.num_warmup_steps:,} warmup steps"
        for phase in run.phases
    )
    return (
        f"{run.model.num_hidden_layers} layers x {run.model.hidden_size}, {run.model.num_attention_heads} heads, "
        f"vocabulary of {run.model.vocab_size:,}; {phases}; {run.optimizer.name.value}, "
        f"{'dynamic' if run.masking.dynamic else 'static'} masks of {run.masking.masked_lm_prob:.0%} of the tokens; "
        f"{'no next-sentence prediction' if run.data.pairing.value == 'full-sentences' else 'next-sentence prediction'}"
    )


def _tokens(config: EvidenceConfig) -> str:
    """Return the maximum number of tokens that a run reads, in millions."""
    phases = config.arm_config(Arm.WHOLE_WORD, config.seeds[0], vocab_size=1).phases
    return f"{sum(phase.num_steps * phase.global_batch_size * phase.max_seq_length for phase in phases) / 1e6:,.1f}"


def _floor_text(config: EvidenceConfig) -> str:
    found = comparisons.without_pretraining(config)
    if not found:
        return ""
    table = as_markdown(comparisons.difference_table(found, what="pretrained minus from scratch"))
    return f"The effect of pretraining itself, from the same pairs:\n\n{table}\n"


def _without_gain_text(config: EvidenceConfig) -> str:
    return "".join(
        f"- {title}: {WITHOUT_GAIN[found]}\n" for title, found in comparisons.tasks_without_gain(config).items()
    )


def _corpus_text(config: EvidenceConfig) -> str:
    report, manifest = _read_json(config.output / REPORT_NAME), _read_json(config.shards_path / MANIFEST_NAME)
    if not report or not manifest:
        return "not prepared yet."
    return (
        f"{report['num_documents']:,} documents of {report['num_characters']:,} characters; "
        f"{report['num_left_out']:,} documents "
        f"({report['num_characters_left_out']:,} characters) are left out, because they share "
        f"{report['shared_characters']} consecutive letters or digits with a text "
        "of the evaluation sets (all splits, including questions). "
        f"{manifest['num_tokens']:,} tokens and {manifest['num_words']:,} words (LAC) remain."
    )


def _masked_shares(config: EvidenceConfig) -> str:
    shares = {
        comparisons.NAMES[arm]: [
            masked_share(config, arm, seed) for seed in config.seeds if is_pretrained(config, arm, seed)
        ]
        for arm in PRETRAINED
    }
    return (
        ", ".join(f"{name} {' '.join(f'{value:.3%}' for value in values)}" for name, values in shares.items() if values)
        or "not trained yet"
    )


def _task_text(config: EvidenceConfig, task: FineTuning, *, heading: str = "###") -> str:
    limit = "" if task.limit_train is None else f", {task.limit_train:,} examples of train"
    path = next(
        (
            path
            for arm, seed in config.models()
            if (path := config.finetuning_path(task.task, arm, seed) / RUN_NAME).exists()
        ),
        None,
    )
    sizes = ""
    if path is not None:
        data = read_run(path.parent).data
        sizes = "; " + ", ".join(
            f"{split} {values['num_examples']:,}" for split, values in data.items() if "num_examples" in values
        )
    recipe = (
        f"{task.max_seq_length} tokens, batches of {task.batch_size}, {task.num_epochs} epoch(s), learning rate "
        f"{task.learning_rate:g}{limit}{sizes}."
    )
    table = as_markdown(comparisons.finetuned_table(config, task))
    return f"{heading} {comparisons.title_of(task)}\n\n{recipe}\n\n{table}"


def _pictures(config: EvidenceConfig, *, name: str) -> dict[str, str]:
    own = {} if config.borrows_models else {f"{name}-pretraining.svg": pretraining_picture(config)}
    return {**own, f"{name}-finetuning.svg": finetuning_picture(config)}


def _planned(follow_ups: Sequence[EvidenceConfig], *, name: str) -> dict[str, EvidenceConfig]:
    """Return the follow-ups by picture name, without those that have no plan.

    An experiment without a plan is not a follow-up of this one.
    """
    planned = [config for config in follow_ups if (config.output / PLAN_NAME).exists()]
    return {f"{name}-follow-up-{number}": config for number, config in enumerate(planned, start=1)}


def _summary(config: EvidenceConfig, planned: Mapping[str, EvidenceConfig]) -> str:
    return _in_short("Main experiment", config) + "".join(
        _in_short(f"Follow-up {number}", other) for number, other in enumerate(planned.values(), start=1)
    )


def _in_short(name: str, config: EvidenceConfig) -> str:
    parts = [comparisons.in_short(comparisons.differences(config))]
    parts += [
        WITHOUT_GAIN_IN_SHORT[found].format(title=title)
        for title, found in comparisons.tasks_without_gain(config).items()
    ]
    return f"- {name}: {' '.join(parts)}\n"


def _follow_up_text(config: EvidenceConfig, *, name: str) -> str:
    """Return the original plan of a follow-up and its results, if there are any."""
    plan = (config.output / PLAN_NAME).read_text(encoding="utf-8").strip()
    quoted = "\n".join(f"> {line}".rstrip() for line in plan.splitlines())
    parts = [FOLLOW_UP.format(number=name.rpartition("-")[2], plan=quoted, status=status_of(config))]
    if not config.borrows_models:
        parts.append(FOLLOW_UP_MODELS.format(model=_model_text(config), masked_shares=_masked_shares(config)))
    found = comparisons.differences(config)
    if found and not config.borrows_models:
        parts.append(
            FOLLOW_UP_PRETRAINING.format(
                picture=f"{name}-pretraining.svg",
                evaluation_examples=f"{config.evaluation_examples:,}",
                masked=as_markdown(comparisons.masked_table(config)),
            )
        )
    if found:
        parts.append(
            FOLLOW_UP_OUTCOME.format(
                tasks="\n".join(_task_text(config, task, heading="####") for task in config.tasks),
                picture=f"{name}-finetuning.svg",
                differences=as_markdown(comparisons.difference_table(found)),
                floor=_floor_text(config),
                verdict=comparisons.verdict(found) + _without_gain_text(config),
            )
        )
    return "".join(parts)
