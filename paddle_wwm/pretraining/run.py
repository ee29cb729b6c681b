"""Pretraining in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Sequence

from ..config import PretrainRecipe
from ..corpus.documents import SAMPLE_CORPUS
from ..cpu import use_fast_matmul
from ..model_config import SERIES_VOCAB_SIZE
from ..progress import Progress
from ..recipe_file import load_config
from .job import run_job
from .job_options import Job
from .result import PretrainResult
from .steps import with_epochs


def pretrain(
    corpus: Sequence[str | Path] = (),
    *,
    output: str | Path,
    config: PretrainRecipe | str | Path = "quickstart",
    overrides: Sequence[str] = (),
    vocab: str | Path | None = None,
    vocab_size: int = SERIES_VOCAB_SIZE,
    general_corpus: Sequence[str | Path] = (),
    num_epochs: float | None = None,
    init: str | Path | None = None,
    init_layers: int | None = None,
    prepared: str | Path | None = None,
    num_workers: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    accept_changes: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> PretrainResult:
    """Pretrain a BERT with whole word masking, from text or shards to a model folder.

    Args:
        corpus: text files, or folders of shards, which are mixed; empty for the bundled sample corpus.
        output: the folder of the run. It must be empty, unless `resume` or `overwrite` is set.
        config: the name of a recipe (`"small"`), a recipe file, or a PretrainRecipe.
        overrides: changes to a recipe, `"key.path=value"`, such as `"phases.0.num_steps=100"`.
        vocab: a vocab.txt; None for the one of `init`, or, without `init`, one that is built from the corpus.
        vocab_size: the largest size of a vocabulary that is built, in entries.
        general_corpus: general text, in the same forms as `corpus`. It is mixed in with `data.general_share` of the
            examples, so that the model forgets less.
        num_epochs: how many times each example of `corpus` is used, in place of the steps of the recipe; None for those
            of the recipe.
        init: the model to start from: a folder (a model, a pretraining run, a hub module with weights) or the name of a
            published model. Its sizes replace `model` of the recipe.
        init_layers: the number of layers to take from `init`, from the first one on; None for all.
        prepared: the folder where prepared corpora are stored and reused; None for `prepared` next to `output`.
        num_workers: 1 trains in this process; a larger number starts that many fleet processes on this machine. The
            result does not depend on it.
        resume: continue from the newest complete checkpoint in `output`, if there is one.
        overwrite: discard the run in `output`.
        accept_changes: resume even if the data, the recipe or `init` have changed.
        progress: called with the progress of each stage.

    Returns:
        The paths and scores of the finished run.

    Raises:
        ConfigError: the recipe or the arguments are wrong, or `output` already holds a run or other files.
        DataError: the corpus or the vocabulary is wrong.
        CheckpointError: `init` or a checkpoint cannot be used.
        TrainingError: a loss or a gradient was not finite, or a worker failed.
        Interrupted: SIGTERM or Ctrl-C came; a checkpoint was saved.

    Source:
        The recipe of Cui et al., "Pre-Training with Whole Word Masking for Chinese BERT" (arXiv 1906.08101).

    Example:
        >>> from paddle_wwm import pretrain
        >>> result = pretrain(output="runs/first", overrides=["phases.0.num_steps=2", "phases.0.num_warmup_steps=1"])
        >>> result.num_steps, result.model.name
        (2, 'model')
    """
    if isinstance(config, PretrainRecipe) and overrides:
        raise ValueError("`overrides` must be empty if `config` is a PretrainRecipe; use dataclasses.replace instead.")
    use_fast_matmul()
    output = Path(output)
    recipe = config if isinstance(config, PretrainRecipe) else load_config(config, overrides=overrides)
    job = Job(
        config=recipe if num_epochs is None else with_epochs(recipe, num_epochs=num_epochs),
        corpus=tuple(map(Path, corpus)) or (SAMPLE_CORPUS,),
        vocab=None if vocab is None else Path(vocab),
        general=tuple(map(Path, general_corpus)),
        init_name=None if init is None else str(init),
        init_layers=init_layers,
        built_vocab_size=vocab_size,
        output=output,
        prepared=output.parent / "prepared" if prepared is None else Path(prepared),
        resume=resume,
        overwrite=overwrite,
        num_workers=num_workers,
        dry_run=False,
        accept_changes=accept_changes,
    )
    result = run_job(job, progress=progress)
    assert result is not None  # neither a dry run nor a worker
    return result
