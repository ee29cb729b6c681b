"""Draw the plan of a run as text: the way of the data, the learning rate, the phases, evaluations and checkpoints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Sequence

from ..config import PretrainRecipe
from ..runs.schedules import LinearSchedule
from .data import phase_of
from .result import keeps_best

WIDTH = 64
LEVELS = "▁▂▃▄▅▆▇█"
INDENT = 11


def draw_plan(
    config: PretrainRecipe,
    *,
    corpus: Sequence[Path],
    general: Sequence[Path],
    init: str | None,
    output: Path,
    is_prepared: bool,
) -> str:
    """Draw a recipe whose steps are known.

    Args:
        config: the recipe.
        corpus: the text or the shards.
        general: the general text; empty for none.
        init: the model that the run starts from; None for random weights.
        output: the folder of the run.
        is_prepared: True if the corpus is folders of shards.
    """
    num_steps = config.num_steps
    source = _names(corpus) + (f" + {config.data.general_share:.0%} {_names(general)}" if general else "")
    words = "" if is_prepared else f"{config.data.segmenter} words ─► shards ─► "
    chosen = "the model with the lowest held-out loss" if keeps_best(config) else "the last model"
    rows = [
        ("data", f"{source} ─► {words}examples ─► {num_steps:,} steps"),
        ("model", f"{init or 'random weights'} ─► {output / 'model'} ({chosen})"),
        ("step", _axis(num_steps)),
        ("rate", _rates(config)),
        *(("" if number else "phases", text) for number, text in enumerate(_phases(config))),
        ("evaluate", _marks(config.runtime.evaluate_every_steps, num_steps)),
        ("save", _marks(config.runtime.save_every_steps, num_steps)),
    ]
    if config.selection.patience:
        rows.append(("stop", f"early, after {config.selection.patience} evaluations without a lower held-out loss"))
    return "\n".join(["plan", *(f"  {name:{INDENT - 2}}{text}" for name, text in rows)])


def _names(paths: Sequence[Path]) -> str:
    return str(paths[0]) + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


def _axis(num_steps: int) -> str:
    """Return the steps 0, 1/2 and all at their places."""
    middle, end = f"{num_steps // 2:,}", f"{num_steps:,}"
    text = "0".ljust(WIDTH // 2 - len(middle) // 2) + middle
    return text.ljust(WIDTH - len(end)) + end


def _rates(config: PretrainRecipe) -> str:
    """Return the learning rate along the steps, as blocks of eight heights."""
    rates = [_rate_at(config, int((place + 0.5) * config.num_steps / WIDTH)) for place in range(WIDTH)]
    highest = max(phase.learning_rate for phase in config.phases)
    blocks = "".join(LEVELS[min(len(LEVELS) - 1, int(rate / highest * len(LEVELS)))] for rate in rates)
    return f"{blocks}  at most {highest:g}"


def _rate_at(config: PretrainRecipe, step: int) -> float:
    number, phase_step = phase_of(config, step)
    phase = config.phases[number]
    schedule = LinearSchedule(
        learning_rate=phase.learning_rate, num_steps=phase.num_steps, num_warmup_steps=phase.num_warmup_steps
    )
    return schedule.rate_at(phase_step)


def _phases(config: PretrainRecipe) -> list[str]:
    """Return one line per phase, with a bar at its place."""
    lines, first = [], 0
    for phase in config.phases:
        start, end = (round(step * WIDTH / config.num_steps) for step in (first, first + phase.num_steps))
        first += phase.num_steps
        bar = " " * start + "├" + "─" * max(0, end - start - 2) + "┤"
        lines.append(f"{bar:{WIDTH}}  {phase.global_batch_size:,} examples of {phase.max_seq_length} tokens per step")
    return lines


def _marks(every: int, num_steps: int) -> str:
    """Return a mark for every event and at the end, and how often that is."""
    count = math.ceil(num_steps / every)
    places = {min(WIDTH - 1, int(step * WIDTH / num_steps)) for step in range(every, num_steps, every)} | {WIDTH - 1}
    marks = "".join("|" if place in places else " " for place in range(WIDTH))
    return f"{marks}  every {every:,} steps and at the end: {count:,} time(s)"
