"""What comes before training: check the job, prepare its corpus, write what the run's folder is bound to."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence

import yaml

from ..config import PretrainRecipe, numbers_fingerprint, to_plain
from ..corpus.documents import read_documents
from ..corpus.segment import SegmenterConfig
from ..corpus.source_files import find_sources
from ..errors import ConfigError, DataError
from ..files import atomic_write, sha256_of_file
from ..model.folder import check_is_ours, read_model_config
from ..progress import Progress
from ..runs.devices import visible_gpus
from ..runs.folder import check_output, discard_run, read_record, refuse_differences, write_record
from ..shards.manifest import MANIFEST_NAME
from ..shards.preparation.prepare import prepare_corpus
from ..shards.preparation.work_plan import PrepareConfig
from ..shards.reader import ShardSet
from ..tokenization.vocab import Vocab, build_vocab, load_vocab
from ..weights import WEIGHTS_NAME
from .run_folder import (
    CONTENTS,
    MODEL_NAME,
    RECIPE_NAME,
    RUN_FORMAT,
    check_space_for_checkpoints,
    differences,
    joint_fingerprint,
    write_indices,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the command line asks for.

    corpus: text files, or folders of shards, which are mixed. init: a model folder to start from, whose sizes take the
    place of the recipe's `model`; init_layers: only its first so many layers. vocab: None means that of `init`, or
    else one built from the corpus.
    """

    config: PretrainRecipe
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


def describe(job: Job) -> str:
    """Check all that can be checked without work; return what the job amounts to. Nothing is written."""
    from .preview import describe_recipe

    _check(job, num_workers=job.num_workers)
    if _is_prepared(job.corpus):
        vocab_size = ShardSet(job.corpus[0]).manifest.vocab_size
    else:
        find_sources(job.corpus)
        vocab_path = _vocab_path(job)
        vocab_size = len(load_vocab(vocab_path)) if vocab_path is not None else job.built_vocab_size
    config = with_model(job, vocab_size=vocab_size)
    check_space_for_checkpoints(job.output, config)
    return describe_recipe(config, num_workers=job.num_workers)


def _check(job: Job, *, num_workers: int) -> None:
    from ..runs.precision import check_amp
    from .batches import check_batches

    if job.init is not None:
        check_is_ours(job.init)
    check_amp(job.config.amp, on_gpu=bool(visible_gpus()))
    check_batches(job.config, num_workers=num_workers)
    check_output(job.output)
    if read_record(job.output) is not None and not (job.resume or job.overwrite):
        raise ConfigError(
            f"{job.output}: holds a run already; add --resume auto to continue it, --overwrite to discard it, "
            f"or name another --output."
        )


def set_up(job: Job, *, num_workers: int, progress: Callable[[Progress], None] | None = None) -> bool:
    """Do all that comes before training, in the order of its cost. Returns False when the run is complete already."""
    _check(job, num_workers=num_workers)
    corpora, config = _prepare(job, progress=progress)
    check_space_for_checkpoints(job.output, config)
    record: dict[str, Any] = {
        "format": RUN_FORMAT,
        "config_fingerprint": numbers_fingerprint(config),
        "shards": [os.path.relpath(shards.directory, job.output) for shards in corpora],  # relative: both may move
        "shard_fingerprint": joint_fingerprint(corpora),
        "vocab_sha256": corpora[0].manifest.vocab_sha256,
        "init_sha256": sha256_of_file(job.init / WEIGHTS_NAME) if job.init is not None else None,  # None: random ones
        "sources": [dataclasses.asdict(source) for shards in corpora for source in shards.manifest.sources],
    }
    # what its checkpoints may have: more with --accept-changes
    record["known_states"] = [[record["config_fingerprint"], record["shard_fingerprint"]]]
    existing = read_record(job.output)
    if existing is not None and job.resume:
        found = differences(existing, record, output=job.output)
        if not found:
            is_complete = (job.output / MODEL_NAME / "config.json").exists()
            if not is_complete:
                _write_recipe(job.output, config)  # `runtime` may have changed, and workers read it there
            return not is_complete
        _refuse_or_accept(job, found)
        record["known_states"] = [*existing.get("known_states", []), *record["known_states"]]
    elif existing is not None:
        discard_run(job.output, contents=CONTENTS)
    write_indices(job.output, config=config, corpora=corpora)
    _write_recipe(job.output, config)
    write_record(job.output, record)
    return True


def _write_recipe(output: Path, config: PretrainRecipe) -> None:
    with atomic_write(output / RECIPE_NAME, "w") as stream:
        yaml.safe_dump(to_plain(config), stream, sort_keys=False, allow_unicode=True)


def _refuse_or_accept(job: Job, found: list[str]) -> None:
    if not job.accept_changes:
        refuse_differences(
            job.output,
            found,
            remedy="Resume with what it was started with, start another run with another --output, or add "
            "--accept-changes to continue anyway: the run can then no longer be repeated from one recipe.",
        )
    logger.warning("continuing although %s", "; ".join(found))
    shutil.rmtree(job.output / MODEL_NAME, ignore_errors=True)  # it is no longer the end of this run


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


def _prepare(job: Job, *, progress: Callable[[Progress], None] | None) -> tuple[list[ShardSet], PretrainRecipe]:
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
            progress=progress,
        )
        what = (
            f"{prepared.manifest.num_documents:,} documents, {prepared.manifest.num_tokens:,} tokens: "
            f"{prepared.directory}"
        )
        logger.info("%s %s", "reusing" if prepared.reused else "prepared", what)
        corpora = [ShardSet(prepared.directory)]
    weights = job.config.data.mixture_weights
    if weights and len(weights) != len(corpora):
        raise ConfigError(
            f"`data.mixture_weights` must be one number for each of {len(corpora)} prepared corpora, but are "
            f"{list(weights)}."
        )
    return corpora, with_model(job, vocab_size=corpora[0].manifest.vocab_size)


def _vocab_path(job: Job) -> Path | None:
    """The vocabulary that is asked for: --vocab, or that of --init; both must be the same. None: one is to be built."""
    if job.init is None:
        return job.vocab
    init_vocab = job.init / "vocab.txt"
    vocab_path = job.vocab or init_vocab
    if load_vocab(vocab_path).sha256 != load_vocab(init_vocab).sha256:
        raise DataError(
            f"{vocab_path}: is not the vocabulary of {job.init}; weights and vocabulary belong together, so "
            f"leave --vocab out."
        )
    return vocab_path


def with_model(job: Job, *, vocab_size: int) -> PretrainRecipe:
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


def _check_shard_options(shards: ShardSet, config: PretrainRecipe) -> None:
    made_with = {
        "segmenter": shards.manifest.segmenter.name,
        "do_lower_case": shards.manifest.tokenizer.do_lower_case,
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
    logger.info("built a vocabulary of %s entries from the corpus", f"{len(vocab):,}")
    return vocab
