"""The settings of the experiment and the layout of its output folder::

OUTPUT/corpus.txt, corpus.json         the corpus without evaluation text, and a report about what was left out
OUTPUT/shards/                         prepared with LAC
OUTPUT/pretrain/whole-word-seed1/ …    runs of the command `pretrain`; piece-seed1 is the other arm of the pair.
                                       It is a link to the runs of another experiment if only fine-tuning differs.
OUTPUT/models/from-scratch-seed1/      the weights that both arms of the seed started from
OUTPUT/masked/whole-word-seed1.json    masked accuracy under both maskings
OUTPUT/data/cmrc2018/                  the public parts of CMRC 2018, split by passage
OUTPUT/finetune/TASK/whole-word-seed1/ runs of the command `finetune`
OUTPUT/plan.md                         the plan of a follow-up, written before it was run
"""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

from paddle_wwm.config import PretrainRecipe
from paddle_wwm.errors import ConfigError, require
from paddle_wwm.recipe_file import load_config

PLAN_NAME = "plan.md"
RECIPES = Path(__file__).resolve().parent / "recipes"
DEFAULT_RECIPE = RECIPES / "evidence.yaml"
_FORMER_FOLDER = ("scripts", "recipes")  # folder of the recipes up to version 0.1; settings and old commands use it


class Arm(enum.Enum):
    """The compared models; the first two values are those of `masking.strategy`."""

    WHOLE_WORD = "whole-word"
    PIECE = "piece"
    FROM_SCRATCH = "from-scratch"  # not pretrained: the baseline


PRETRAINED = (Arm.WHOLE_WORD, Arm.PIECE)


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """The fine-tuning of all models on a task.

    Args:
        data: The folder of its files.
        limit_train: The number of training examples; None means all.
    """

    task: str
    data: Path
    max_seq_length: int
    batch_size: int
    num_epochs: int
    learning_rate: float
    limit_train: int | None = None


@dataclass(frozen=True, kw_only=True)
class EvidenceConfig:
    """The whole experiment.

    Args:
        overrides: Changes to the recipe, the same for both arms.
        num_finetuning_seeds: Fine-tuning runs per pretrained model and task.
        num_floor_seeds: Fine-tuning runs per task of the initial weights of each pair.
        num_workers: Fleet workers per pretraining run.
        num_jobs: Parallel processes, fine-tuning runs or workers.
        evaluation_examples: Held-out examples for masked accuracy.
    """

    output: Path
    corpus: tuple[Path, ...]
    vocab: Path
    recipe: Path
    overrides: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (1, 2, 3)
    num_finetuning_seeds: int = 3
    num_floor_seeds: int = 1
    tasks: tuple[FineTuning, ...] = ()
    num_workers: int = 2
    num_jobs: int = 2
    evaluation_examples: int = 1024

    def __post_init__(self) -> None:
        require(
            len(self.seeds) >= 1 and len(set(self.seeds)) == len(self.seeds),
            f"`seeds` must be distinct numbers, but are {self.seeds}.",
        )
        for name in ("num_finetuning_seeds", "num_floor_seeds", "num_workers", "num_jobs", "evaluation_examples"):
            require(getattr(self, name) >= 1, f"`{name}` must be at least 1, but is {getattr(self, name)}.")

    @property
    def corpus_path(self) -> Path:
        """The corpus without evaluation text."""
        return self.output / "corpus.txt"

    @property
    def shards_path(self) -> Path:
        """The prepared corpus."""
        return self.output / "shards"

    @property
    def borrows_models(self) -> bool:
        """True if the pretrained models are links to those of another experiment.

        Their masked accuracies are then results of that experiment, too.
        """
        return (self.output / "pretrain").is_symlink()

    @property
    def cmrc_path(self) -> Path:
        """The folder of the split CMRC 2018."""
        return self.output / "data" / "cmrc2018"

    def pretraining_path(self, arm: Arm, seed: int) -> Path:
        """Return the folder of a pretraining run."""
        return self.output / "pretrain" / model_name(arm, seed)

    def model_path(self, arm: Arm, seed: int) -> Path:
        """Return the folder of a model to fine-tune."""
        return (
            self.output / "models" / model_name(arm, seed)
            if arm is Arm.FROM_SCRATCH
            else self.pretraining_path(arm, seed) / "model"
        )

    def masked_path(self, arm: Arm, seed: int) -> Path:
        """Return the file with the masked accuracies of a model."""
        return self.output / "masked" / f"{model_name(arm, seed)}.json"

    def finetuning_path(self, task: str, arm: Arm, seed: int) -> Path:
        """Return the folder of the fine-tuning runs of a model on a task."""
        return self.output / "finetune" / task / model_name(arm, seed)

    def pretrained(self) -> Iterator[tuple[Arm, int]]:
        """Return all pretraining runs, with the two arms of a pair in sequence."""
        return ((arm, seed) for seed in self.seeds for arm in PRETRAINED)

    def models(self) -> Iterator[tuple[Arm, int]]:
        """Return all models to fine-tune, ordered by seed.

        An experiment that is stopped early then has complete pairs.
        """
        return ((arm, seed) for seed in self.seeds for arm in Arm)

    def num_seeds_of(self, arm: Arm) -> int:
        """Return the number of fine-tuning runs of a model on a task."""
        return self.num_floor_seeds if arm is Arm.FROM_SCRATCH else self.num_finetuning_seeds

    def arm_overrides(self, arm: Arm, seed: int) -> tuple[str, ...]:
        """Return the overrides of a run; the arms differ only in `masking.strategy`."""
        return (*self.overrides, f"masking.strategy={arm.value}", f"seed={seed}")

    def arm_config(self, arm: Arm, seed: int, *, vocab_size: int) -> PretrainRecipe:
        """Return the recipe of a run, with its overrides and vocabulary size."""
        config = load_config(self.recipe, overrides=self.arm_overrides(arm, seed))
        return dataclasses.replace(config, model=dataclasses.replace(config.model, vocab_size=vocab_size))


def model_name(arm: Arm, seed: int) -> str:
    """Return the name of a model, such as "whole-word-seed1"."""
    return f"{arm.value}-seed{seed}"


def differing_fields(one: Any, other: Any, *, prefix: str = "") -> list[str]:
    """Return the keys in which two plain values differ, in the form a.b.0.c."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = dict.fromkeys([*one, *other])
        return [
            found
            for name in names
            for found in differing_fields(one.get(name), other.get(name), prefix=f"{prefix}{name}.")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            found
            for place, pair in enumerate(zip(one, other))
            for found in differing_fields(*pair, prefix=f"{prefix}{place}.")
        ]
    return [] if one == other else [prefix.rstrip(".")]


def overrides_of_steps(config: PretrainRecipe, *, steps: int) -> tuple[str, ...]:
    """Return overrides for one phase of `steps` steps, a tenth of them warmup."""
    if len(config.phases) != 1:
        raise ConfigError("--steps needs a recipe with exactly one phase; set phases.N.num_steps=… instead.")
    return (f"phases.0.num_steps={steps}", f"phases.0.num_warmup_steps={steps // 10}")


def find_recipe(recipe: Path) -> Path:
    """Return the file of a recipe.

    An existing path is returned unchanged. The recipes of this experiment are also found by name ("evidence-short",
    "evidence-short.yaml") and by their former path, scripts/recipes/evidence-short.yaml.
    """
    own = RECIPES / f"{recipe.name.removesuffix('.yaml')}.yaml"
    is_name = recipe == Path(recipe.name) or recipe.parts[-3:-1] == _FORMER_FOLDER
    return own if is_name and not recipe.is_file() and own.is_file() else recipe
