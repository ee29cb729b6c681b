"""A pretraining run from files to files: check everything, prepare the corpus, set the run's folder up, start the
workers, train.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import yaml

from ..config import RunConfig, numbers_fingerprint, to_plain
from ..corpus.documents import read_documents
from ..corpus.segment import SegmenterConfig
from ..corpus.sources import find_sources
from ..errors import CheckpointError, ConfigError, DataError
from ..files import atomic_write, sha256_of_file, write_json
from ..model.folder import WEIGHTS_NAME, check_is_ours, read_model_config
from ..shards.format import MANIFEST_NAME
from ..shards.preparation.plan import PrepareConfig
from ..shards.preparation.prepare import prepare_corpus
from ..shards.reader import ShardSet
from ..tokenization.vocab import Vocab, build_vocab, load_vocab
from .run_folder import (
    RECIPE_NAME,
    RUN_FORMAT,
    RUN_NAME,
    check_output,
    check_space,
    differences,
    joint_fingerprint,
    read_run,
    write_indices,
)

SET_UP_VARIABLE = "PADDLE_WWM_RUN_IS_SET_UP"  # tells workers that their launcher has done the work before training


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the command line asks for.

    corpus: text files, or folders of shards, which are mixed. init: a model folder to start from, whose sizes take the
    place of the recipe's `model`; init_layers: only its first so many layers. vocab: None means that of `init`, or
    else one built from the corpus.
    """

    config: RunConfig
    corpus: tuple[Path, ...]
    vocab: Path | None
    init: Path | None
    init_layers: int | None
    built_vocab_size: int
    output: Path
    prepared: Path  # where prepared corpora are kept, in folders named by their fingerprint
    resume: bool
    overwrite: bool
    num_workers: int
    dry_run: bool
    accept_changes: bool


def dry_run(job: Job) -> None:
    """Check all that can be checked without work, and print what the job amounts to. Nothing is written."""
    from .plan import describe_recipe

    _check_init(job)
    _check_config(job.config, num_workers=job.num_workers)
    check_output(job.output, may_hold_run=job.resume or job.overwrite)
    if _is_prepared(job.corpus):
        vocab_size = ShardSet(job.corpus[0]).manifest.vocab_size
    else:
        find_sources(job.corpus)
        vocab_path = _vocab_path(job)
        vocab_size = len(load_vocab(vocab_path)) if vocab_path is not None else job.built_vocab_size
    config = _with_model(job, vocab_size=vocab_size)
    check_space(job.output, config)
    print(describe_recipe(config, num_workers=job.num_workers))


def run_job(job: Job, *, command: Sequence[str]) -> None:
    """Run a job to its end. `command` starts this program again as a worker."""
    from . import fleet

    if job.dry_run:
        dry_run(job)
        return
    if fleet.is_worker() and SET_UP_VARIABLE in os.environ:
        _train_as_worker(job)
        return
    if fleet.is_worker():  # started by paddle.distributed.launch: the first worker sets up, the others wait
        world = fleet.init()
        if world.is_main:
            set_up(job, num_workers=world.size)
        fleet.barrier(world)
        _train_as_worker(job)
        return
    if set_up(job, num_workers=job.num_workers):
        from .loop import summary

        print(f"{job.output}: this run is complete already.")
        print(summary(job.output, config=job.config))
        return
    if job.num_workers == 1:
        _train_as_worker(job)
        return
    from .launch import launch_workers

    os.environ[SET_UP_VARIABLE] = "1"
    print(f"starting {job.num_workers} workers on {'GPUs' if visible_gpus() else 'the CPU'} …", flush=True)
    launch_workers(
        command, count=job.num_workers, log_directory=job.output / "logs", gpus=visible_gpus()[: job.num_workers]
    )


def _check_config(config: RunConfig, *, num_workers: int) -> None:
    from .batches import check_batches
    from .precision import check_amp

    check_amp(config.amp, on_gpu=bool(visible_gpus()))
    check_batches(config, num_workers=num_workers)


def visible_gpus() -> list[str]:
    """The GPUs that this build of Paddle can use; none with a CPU build."""
    import paddle

    if not paddle.is_compiled_with_cuda():
        return []
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [item for item in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if item]
    return [str(number) for number in range(paddle.device.cuda.device_count())]


def set_up(job: Job, *, num_workers: int) -> bool:
    """All that comes before training, in the order of its cost. Returns True when the run is complete already."""
    _check_init(job)
    _check_config(job.config, num_workers=num_workers)
    existing = check_output(job.output, may_hold_run=job.resume or job.overwrite)
    corpora, config = _prepare(job)
    check_space(job.output, config)
    fingerprint = numbers_fingerprint(config)
    init_sha256 = sha256_of_file(job.init / WEIGHTS_NAME) if job.init is not None else None
    known_states: list = []
    if existing is not None and job.resume:
        found = differences(
            existing, fingerprint=fingerprint, corpora=corpora, init_sha256=init_sha256, output=job.output
        )
        if not found:
            return (job.output / "model" / "config.json").exists()
        _refuse_or_accept(job, found)
        known_states = existing.get("known_states", [])
    elif existing is not None:
        shutil.rmtree(job.output)
    job.output.mkdir(parents=True, exist_ok=True)
    write_indices(job.output, config=config, corpora=corpora)
    with atomic_write(job.output / RECIPE_NAME, "w") as stream:
        yaml.safe_dump(to_plain(config), stream, sort_keys=False, allow_unicode=True)
    record = {
        "format": RUN_FORMAT,
        "config_fingerprint": fingerprint,
        "shards": [
            os.path.relpath(shards.directory, job.output) for shards in corpora
        ],  # relative: runs may move with them
        "shard_fingerprint": joint_fingerprint(corpora),
        "known_states": [
            *known_states,
            [fingerprint, joint_fingerprint(corpora)],
        ],  # that its checkpoints may have: more with --accept-changes
        "vocab_sha256": corpora[0].manifest.vocab_sha256,
        "init_sha256": init_sha256,  # of the weights that training starts from; null: random ones
        "sources": [source for shards in corpora for source in shards.manifest.sources],
    }
    write_json(job.output / RUN_NAME, record)  # last: a run without it was not set up
    return False


def _check_init(job: Job) -> None:
    if job.init is not None:
        check_is_ours(job.init)


def _refuse_or_accept(job: Job, found: list[str]) -> None:
    if not job.accept_changes:
        raise CheckpointError(
            f"{job.output}: cannot be resumed: {'; '.join(found)}. Resume with what it was started with, "
            f"start another run with another "
            "--output, or add --accept-changes to go on all the same: the run can then no longer be repeated "
            "from one recipe."
        )
    print(f"warning: going on although {'; '.join(found)}", file=sys.stderr)
    shutil.rmtree(job.output / "model", ignore_errors=True)  # it is no longer the end of this run


def _is_prepared(corpus: Sequence[Path]) -> bool:
    """Whether the corpus is given as folders of shards. Raises DataError for a mixture of folders of shards and text
    files.
    """
    prepared = [(path / MANIFEST_NAME).exists() for path in corpus]
    if any(prepared) and not all(prepared):
        raise DataError(
            f"{corpus[prepared.index(False)]}: is no folder of shards, but others are; give text files, or "
            f"folders of shards."
        )
    return all(prepared)


def _prepare(job: Job) -> tuple[list[ShardSet], RunConfig]:
    """The corpora, and the config with the vocabulary's size filled in."""
    vocab_path = _vocab_path(job)
    if _is_prepared(job.corpus):
        corpora = [ShardSet(path) for path in job.corpus]
        expected = corpora[0].manifest.vocab_sha256 if vocab_path is None else load_vocab(vocab_path).sha256
        for shards in corpora:
            if shards.manifest.vocab_sha256 != expected:
                whose = vocab_path or corpora[0].directory
                raise DataError(
                    f"{shards.directory}: was prepared with another vocabulary than that of {whose}; prepare "
                    f"it again with that."
                )
            _check_shard_options(shards, job.config)
            shards.verify()
    else:
        vocab = load_vocab(vocab_path) if vocab_path is not None else _vocab_from(job)
        prepared = prepare_corpus(
            corpus=job.corpus,
            vocab=vocab,
            config=PrepareConfig(
                segmenter=SegmenterConfig(name=job.config.data.segmenter), do_lower_case=job.config.data.do_lower_case
            ),
            cache=job.prepared,
        )
        what = (
            f"{prepared.manifest.num_documents:,} documents, {prepared.manifest.num_tokens:,} tokens: "
            f"{prepared.directory}"
        )
        print(f"{'reusing' if prepared.reused else 'prepared'} {what}", flush=True)
        corpora = [ShardSet(prepared.directory)]
    weights = job.config.data.mixture_weights
    if weights and len(weights) != len(corpora):
        raise ConfigError(
            f"`data.mixture_weights` must be one number for each of {len(corpora)} prepared corpora, but are "
            f"{list(weights)}."
        )
    return corpora, _with_model(job, vocab_size=corpora[0].manifest.vocab_size)


def _vocab_path(job: Job) -> Path | None:
    """The vocabulary that is asked for: --vocab, or that of --init; both must be the same. None: one is to be built."""
    init_vocab = job.init / "vocab.txt" if job.init is not None else None
    vocab_path = job.vocab or init_vocab
    if init_vocab is not None and load_vocab(vocab_path).sha256 != load_vocab(init_vocab).sha256:
        raise DataError(
            f"{vocab_path}: is not the vocabulary of {job.init}; weights and vocabulary belong together, so "
            f"leave --vocab out."
        )
    return vocab_path


def _with_model(job: Job, *, vocab_size: int) -> RunConfig:
    """The job's config with the sizes of --init, where it is given, and the size of the vocabulary."""
    model = read_model_config(job.init) if job.init is not None else job.config.model
    if model.vocab_size not in (0, vocab_size):
        raise ConfigError(f"`model.vocab_size` must be 0 or the vocabulary's {vocab_size}, but is {model.vocab_size}.")
    num_layers = job.init_layers or model.num_hidden_layers
    if num_layers > model.num_hidden_layers:
        raise ConfigError(
            f"`--init-layers` must be at most the {model.num_hidden_layers} layers of {job.init}, but is {num_layers}."
        )
    try:
        return dataclasses.replace(
            job.config, model=dataclasses.replace(model, vocab_size=vocab_size, num_hidden_layers=num_layers)
        )
    except ValueError as error:  # a phase longer than the positions of --init
        raise ConfigError(str(error)) from None


def _check_shard_options(shards: ShardSet, config: RunConfig) -> None:
    made_with = {
        "segmenter": shards.manifest.segmenter["name"],
        "do_lower_case": shards.manifest.tokenizer["do_lower_case"],
    }
    for name, value in made_with.items():
        if getattr(config.data, name) != value:
            raise ConfigError(
                f"`data.{name}` must be {value!r}, as {shards.directory} was prepared with, but is "
                f"{getattr(config.data, name)!r}."
            )


def _vocab_from(job: Job) -> Vocab:
    sentences = (sentence for document in read_documents(job.corpus) for sentence in document.sentences)
    vocab = build_vocab(sentences, vocab_size=job.built_vocab_size, do_lower_case=job.config.data.do_lower_case)
    print(f"built a vocabulary of {len(vocab):,} entries from the corpus", flush=True)
    return vocab


def _train_as_worker(job: Job) -> None:
    from . import fleet
    from .data import open_run_data
    from .loop import train

    world = fleet.init()
    record = read_run(job.output)
    if record is None:
        raise CheckpointError(f"{job.output}: the run is not set up here; the folder must be shared by all hosts.")
    corpora = tuple(ShardSet(job.output / path) for path in record["shards"])
    if joint_fingerprint(corpora) != record["shard_fingerprint"]:
        raise CheckpointError(f"{job.output}: the shards are not those that the run was set up with.")
    config = _with_model(job, vocab_size=corpora[0].manifest.vocab_size)
    data = open_run_data(
        config, output=job.output, corpora=corpora, record=record, init=job.init, init_layers=job.init_layers
    )
    train(config, data=data, output=job.output, world=world)
