"""The options of a pretraining job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..config import PretrainRecipe


@dataclass(frozen=True, kw_only=True)
class Job:
    """A pretraining job, as the command line describes it.

    Attributes:
        config: the recipe.
        corpus: text files, or folders of shards, which are mixed.
        general: general text in the same forms, for `data.general_share` of the examples; empty for none.
        vocab: a vocab.txt; None for the one of `init`, or, without `init`, one that is built from the corpus.
        init_name: the model to start from, as given: a folder, or the name of a published model. None: no model.
        init: its folder, which `run_job` finds. Its sizes replace `model` of the recipe.
        init_layers: the number of layers to take from `init`, from the first one on; None for all.
        built_vocab_size: the largest size of a vocabulary that is built.
        output: the folder of the run.
        prepared: the folder for prepared corpora; each has a folder named by its fingerprint.
        resume: continue the run in `output`.
        overwrite: discard the run in `output`.
        num_workers: the number of workers.
        dry_run: only check and describe the job.
        accept_changes: resume even if recipe, data or initial weights differ.
        command: the command line, for the record of the run; None for a call from Python.
    """

    config: PretrainRecipe
    corpus: tuple[Path, ...]
    general: tuple[Path, ...]
    vocab: Path | None
    init_name: str | None
    init: Path | None = None
    init_layers: int | None
    built_vocab_size: int
    output: Path
    prepared: Path
    resume: bool
    overwrite: bool
    num_workers: int
    dry_run: bool
    accept_changes: bool
    command: str | None = None
