"""The set-up of a pretraining run: check the job, prepare its corpus, write the record of the run folder."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
from pathlib import Path
from typing import Any, Callable

import yaml

from ..config import PretrainRecipe, numbers_fingerprint, to_plain
from ..corpus.source_files import find_sources
from ..errors import ConfigError
from ..files import atomic_write, sha256_of_file
from ..model.folder import check_is_ours, read_model_config
from ..model.tokenizer_settings import read_do_lower_case
from ..progress import Progress
from ..runs.devices import visible_gpus
from ..runs.folder import check_output, discard_run, read_record, refuse_differences, write_record
from ..shards.reader import ShardSet
from ..tokenization.vocab import load_vocab
from ..weights import WEIGHTS_NAME
from .corpora import Corpora, estimated_tokens, is_prepared, open_corpora, vocab_path_of
from .job_options import Job
from .run_folder import (
    CONTENTS,
    MODEL_NAME,
    RECIPE_NAME,
    RUN_FORMAT,
    check_space_for_checkpoints,
    differences,
    joint_fingerprint,
    read_counts,
    write_indices,
)
from .steps import with_steps

logger = logging.getLogger(__name__)

HIGHEST_RATE_FOR_A_TRAINED_MODEL = 2e-4  # the series continued BERT with 1e-4, and trained small models with 1e-3


def describe(job: Job) -> str:
    """Check the job as far as possible without preparing data, and describe it.

    Nothing is written.
    """
    from .plan import draw_plan
    from .preview import describe_recipe

    _check(job, num_workers=job.num_workers)
    num_tokens = estimated_tokens(job.corpus)
    if job.general and not is_prepared(job.general):
        find_sources(job.general)
    if is_prepared(job.corpus):
        vocab_size = ShardSet(job.corpus[0]).manifest.vocab_size
    else:
        vocab_path = vocab_path_of(job)
        vocab_size = len(load_vocab(vocab_path)) if vocab_path is not None else job.built_vocab_size
    config = with_model(job, vocab_size=vocab_size)
    check_space_for_checkpoints(job.output, config)
    counts = [num_tokens / phase.max_seq_length * (1 - config.data.held_out_share) for phase in config.phases]
    is_estimated = any(phase.num_epochs for phase in config.phases)
    config = with_steps(config, num_examples=counts)
    described = describe_recipe(config, num_workers=job.num_workers, is_estimated=is_estimated)
    plan = draw_plan(
        config,
        corpus=job.corpus,
        general=job.general,
        init=job.init_name,
        output=job.output,
        is_prepared=is_prepared(job.corpus),
    )
    return f"{described}\n\n{plan}"


def _check(job: Job, *, num_workers: int) -> None:
    from ..runs.precision import check_amp
    from .batches import check_batches

    if job.init is not None:
        check_is_ours(job.init)
        _check_init(job)
    elif job.config.needs_init:
        raise ConfigError(
            "`needs_init` is true: the recipe continues the training of a model, but --init is missing. Add --init "
            "with a model folder, a run or the name of a published model, for example --init chinese-roberta-wwm-ext."
        )
    if job.general and not job.config.data.general_share:
        raise ConfigError(
            "`data.general_share` must be above 0, because there is general text, but is 0. Add for example "
            "data.general_share=0.25."
        )
    check_amp(job.config.amp, on_gpu=bool(visible_gpus()))
    check_batches(job.config, num_workers=num_workers)
    check_output(job.output)
    if read_record(job.output) is not None and not (job.resume or job.overwrite):
        raise ConfigError(
            f"{job.output}: the folder already holds a run. Add --resume auto to continue it, add --overwrite to "
            f"discard it, or choose another --output."
        )


def _check_init(job: Job) -> None:
    """Refuse or warn of settings that do not fit a trained model."""
    assert job.init is not None
    do_lower_case = read_do_lower_case(job.init)
    if do_lower_case != job.config.data.do_lower_case:
        raise ConfigError(
            f"`data.do_lower_case` must be {str(do_lower_case).lower()}, as in {job.init}, but is "
            f"{str(job.config.data.do_lower_case).lower()}. Add data.do_lower_case={str(do_lower_case).lower()}."
        )
    for number, phase in enumerate(job.config.phases):
        if phase.learning_rate > HIGHEST_RATE_FOR_A_TRAINED_MODEL:
            logger.warning(
                f"`phases.{number}.learning_rate` is {phase.learning_rate:g}. This is a rate for random weights: the "
                f"model of --init will lose most of what it has learned. Use 1e-5 to 5e-5: --config domain, or "
                f"phases.{number}.learning_rate=5e-5."
            )


def set_up(job: Job, *, num_workers: int, progress: Callable[[Progress], None] | None = None) -> bool:
    """Check the job, prepare its data and write the record of the run.

    The cheapest checks come first.

    Returns:
        False if the run is already complete.
    """
    _check(job, num_workers=num_workers)
    corpora = open_corpora(job, progress=progress)
    config = with_model(job, vocab_size=corpora.shards[0].manifest.vocab_size)
    check_space_for_checkpoints(job.output, config)
    existing = read_record(job.output)
    if existing is not None and job.resume:
        counts = read_counts(job.output, config=config, num_corpora=corpora.num_main)
        config = with_steps(config, num_examples=counts)
        record = _record_of(job, corpora, config)
        found = differences(existing, record, output=job.output)
        if not found:
            is_complete = (job.output / MODEL_NAME / "config.json").exists()
            if not is_complete:
                _write_recipe(job.output, config)  # `runtime` may have changed, and workers read this file
            return not is_complete
        _refuse_or_accept(job, found)
    elif existing is not None:
        discard_run(job.output, contents=CONTENTS)
        existing = None
    config = with_model(job, vocab_size=corpora.shards[0].manifest.vocab_size)
    write_indices(job.output, config=config, corpora=corpora.shards)
    counts = read_counts(job.output, config=config, num_corpora=corpora.num_main)
    config = with_steps(config, num_examples=counts)
    record = _record_of(job, corpora, config)
    if existing is not None:
        record["known_states"] = [*existing.get("known_states", []), *record["known_states"]]
    _write_recipe(job.output, config)
    write_record(job.output, record)
    return True


def _record_of(job: Job, corpora: Corpora, config: PretrainRecipe) -> dict[str, Any]:
    """Return the record of a run, with a recipe whose steps are known."""
    from ..runs.precision import products_of

    shard_fingerprint = joint_fingerprint(corpora.shards, num_general=corpora.num_general)
    config_fingerprint = numbers_fingerprint(config)
    products = products_of(config.amp, on_gpu=bool(visible_gpus()))
    return {
        "format": RUN_FORMAT,
        "config_fingerprint": config_fingerprint,
        # relative paths, so that run and shards can be moved together
        "shards": [os.path.relpath(shards.directory, job.output) for shards in corpora.shards],
        "num_general": corpora.num_general,
        "shard_fingerprint": shard_fingerprint,
        "vocab_sha256": corpora.shards[0].manifest.vocab_sha256,
        "init": job.init_name,
        "command": job.command,
        "init_sha256": sha256_of_file(job.init / WEIGHTS_NAME) if job.init is not None else None,
        "sources": [dataclasses.asdict(source) for shards in corpora.shards for source in shards.manifest.sources],
        # the fingerprints that checkpoints of this run may have; --accept-changes adds more
        "known_states": [[config_fingerprint, shard_fingerprint]],
        **({"products": products} if products else {}),
    }


def _write_recipe(output: Path, config: PretrainRecipe) -> None:
    with atomic_write(output / RECIPE_NAME, "w") as stream:
        yaml.safe_dump(to_plain(config), stream, sort_keys=False, allow_unicode=True)


def _refuse_or_accept(job: Job, found: list[str]) -> None:
    if not job.accept_changes:
        refuse_differences(
            job.output,
            found,
            remedy="Resume with the original recipe, data and --init, or start a new run in another --output. "
            "To continue anyway, add --accept-changes; the run can then no longer be reproduced from one recipe.",
        )
    logger.warning("continuing although %s", "; ".join(found))
    shutil.rmtree(job.output / MODEL_NAME, ignore_errors=True)  # it is not the result of the changed run


def with_model(job: Job, *, vocab_size: int) -> PretrainRecipe:
    """Return the config of the job with the sizes of the model filled in.

    The sizes are those of --init, if given, and the size of the vocabulary. Without general text, its share is 0.
    """
    model = read_model_config(job.init) if job.init is not None else job.config.model
    if model.vocab_size not in (0, vocab_size):
        raise ConfigError(
            f"`model.vocab_size` must be 0 or {vocab_size} (the size of the vocabulary), but is {model.vocab_size}."
        )
    num_layers = job.init_layers or model.num_hidden_layers
    if num_layers > model.num_hidden_layers:
        raise ConfigError(
            f"`--init-layers` must be at most the {model.num_hidden_layers} layers of {job.init}, but is {num_layers}."
        )
    try:
        return dataclasses.replace(
            job.config,
            model=dataclasses.replace(model, vocab_size=vocab_size, num_hidden_layers=num_layers),
            data=job.config.data if job.general else dataclasses.replace(job.config.data, general_share=0.0),
        )
    except ValueError as error:  # max_seq_length of a phase exceeds the positions of --init
        raise ConfigError(str(error)) from None
