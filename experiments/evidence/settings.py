"""The saved settings of an experiment, and the plan of a follow-up.

A page can report several experiments because each folder has its settings. A plan is saved before the first run.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from paddle_wwm.errors import ConfigError
from paddle_wwm.files import atomic_write, write_json

from .experiment import PLAN_NAME, EvidenceConfig, FineTuning, find_recipe

SETTINGS_NAME = "evidence.json"


def save_settings(config: EvidenceConfig) -> None:
    """Save the settings; each stage checks by itself that its outputs match them."""
    values = dataclasses.asdict(config)
    del values["output"]  # the folder may move
    write_json(config.output / SETTINGS_NAME, json.loads(json.dumps(values, default=str)))


def read_settings(output: Path) -> EvidenceConfig:
    """Read the settings of the experiment in a folder.

    Raises:
        ConfigError: The folder has no valid settings.
    """
    path = output / SETTINGS_NAME
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        tasks = tuple(FineTuning(**{**task, "data": Path(task["data"])}) for task in values.pop("tasks"))
        vocab, recipe = Path(values.pop("vocab")), find_recipe(Path(values.pop("recipe")))
        overrides, seeds = tuple(values.pop("overrides")), tuple(values.pop("seeds"))
        corpus = tuple(map(Path, values.pop("corpus")))
        return EvidenceConfig(
            output=output,
            corpus=corpus,
            vocab=vocab,
            recipe=recipe,
            tasks=tasks,
            overrides=overrides,
            seeds=seeds,
            **values,
        )
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file; `python -m experiments.evidence` writes it into its --output."
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path}: not a settings file of `python -m experiments.evidence`: {error!r}.") from None


def keep_plan(config: EvidenceConfig, plan: Path) -> None:
    """Copy a plan into the folder.

    Raises:
        ConfigError: Training has already started, or the folder has another plan.
    """
    try:
        text = plan.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{plan}: the plan cannot be read as UTF-8 text: {error}.") from None
    kept = config.output / PLAN_NAME
    if kept.exists():
        if kept.read_text(encoding="utf-8") != text:
            raise ConfigError(f"{kept}: another plan was saved before the runs and is not replaced.")
        return
    first_trained = config.output / ("finetune" if config.borrows_models else "pretrain")
    if any(first_trained.glob("*")):
        raise ConfigError(
            f"{config.output}: training has already started; a plan must be saved before, so give another --output."
        )
    with atomic_write(kept, "w") as stream:
        stream.write(text)
