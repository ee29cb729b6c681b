"""The set-up of a pretraining run: check the job, prepare its corpus, write the record of the run folder."""

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
from ..corpus.segment import SegmenterConfig, make_segmenter
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
from ..tokenization.vocab import Vocab, load_vocab
from ..tokenization.vocab_building import build_vocab
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
    """A pretraining job, as the command line describes it.

    Attributes:
        config: the recipe.
        corpus: text files, or folders of shards, which are mixed.
        vocab: a vocab.txt; None for the one of `init`, or, without `init`, one that is built from the corpus.
        init: a model folder to start from. Its sizes replace `model` of the recipe.
        init_layers: the number of layers to take from `init`, from the first one on; None for all.
        built_vocab_size: the largest size of a vocabulary that is built.
        output: the folder of the run.
        prepared: the folder for prepared corpora; each has a folder named by its fingerprint.
        resume: continue the run in `output`.
        overwrite: discard the run in `output`.
        num_workers: the number of workers.
        dry_run: only check and describe the job.
        accept_changes: resume even if recipe, data or initial weights differ.
    """

    config: PretrainRecipe
    corpus: tuple[Path, ...]
    vocab: Path | None
    init: Path | None
    init_layers: int | None
    built_vocab_size: int
    output: Path
    prepared: Path
    resume: bool
    overwrite: bool
    num_workers: int
    dry_run: bool
    accept_changes: bool


def describe(job: Job) -> str:
    """Check the job as far as possible without preparing data, and describe it.

    Nothing is written.
    """
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
            f"{job.output}: the folder already holds a run. Add --resume auto to continue it, add --overwrite to "
            f"discard it, or choose another --output."
        )


def set_up(job: Job, *, num_workers: int, progress: Callable[[Progress], None] | None = None) -> bool:
    """Check the job, prepare its data and write the record of the run.

    The cheapest checks come first.

    Returns:
        False if the run is already complete.
    """
    _check(job, num_workers=num_workers)
    corpora, config = _prepare(job, progress=progress)
    check_space_for_checkpoints(job.output, config)
    record: dict[str, Any] = {
        "format": RUN_FORMAT,
        "config_fingerprint": numbers_fingerprint(config),
        # relative paths, so that run and shards can be moved together
        "shards": [os.path.relpath(shards.directory, job.output) for shards in corpora],
        "shard_fingerprint": joint_fingerprint(corpora),
        "vocab_sha256": corpora[0].manifest.vocab_sha256,
        "init_sha256": sha256_of_file(job.init / WEIGHTS_NAME) if job.init is not None else None,
        "sources": [dataclasses.asdict(source) for shards in corpora for source in shards.manifest.sources],
    }
    # the fingerprints that checkpoints of this run may have; --accept-changes adds more
    record["known_states"] = [[record["config_fingerprint"], record["shard_fingerprint"]]]
    existing = read_record(job.output)
    if existing is not None and job.resume:
        found = differences(existing, record, output=job.output)
        if not found:
            is_complete = (job.output / MODEL_NAME / "config.json").exists()
            if not is_complete:
                _write_recipe(job.output, config)  # `runtime` may have changed, and workers read this file
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
            remedy="Resume with the original recipe, data and --init, or start a new run in another --output. "
            "To continue anyway, add --accept-changes; the run can then no longer be reproduced from one recipe.",
        )
    logger.warning("continuing although %s", "; ".join(found))
    shutil.rmtree(job.output / MODEL_NAME, ignore_errors=True)  # it is not the result of the changed run


def _is_prepared(corpus: Sequence[Path]) -> bool:
    """Return True if the corpus consists of folders of shards.

    Raises:
        DataError: some paths are folders of shards and others are not.
    """
    prepared = [(path / MANIFEST_NAME).exists() for path in corpus]
    if any(prepared) and not all(prepared):
        raise DataError(
            f"{corpus[prepared.index(False)]}: not a folder of shards, but other paths of the corpus are. Give only "
            f"text files or only folders of shards."
        )
    return all(prepared)


def _prepare(job: Job, *, progress: Callable[[Progress], None] | None) -> tuple[list[ShardSet], PretrainRecipe]:
    """Open or prepare the corpora, and complete the config.

    Returns:
        The corpora, and the config with the size of the vocabulary filled in.
    """
    vocab_path = _vocab_path(job)
    if _is_prepared(job.corpus):
        corpora = [ShardSet(path) for path in job.corpus]
        expected = corpora[0].manifest.vocab_sha256 if vocab_path is None else load_vocab(vocab_path).sha256
        for shards in corpora:
            if shards.manifest.vocab_sha256 != expected:
                whose = vocab_path or corpora[0].directory
                raise DataError(
                    f"{shards.directory}: was prepared with another vocabulary than that of {whose}. Prepare it again "
                    f"with that vocabulary."
                )
            _check_shard_options(shards, job.config)
            shards.verify()
    else:
        vocab = load_vocab(vocab_path) if vocab_path is not None else _vocab_from(job)
        prepared = prepare_corpus(
            corpus=job.corpus,
            vocab=vocab,
            config=PrepareConfig(segmenter=_segmenter_of(job.config), do_lower_case=job.config.data.do_lower_case),
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
            f"`data.mixture_weights` must have one number for each of the {len(corpora)} prepared corpora, but is "
            f"{list(weights)}."
        )
    return corpora, with_model(job, vocab_size=corpora[0].manifest.vocab_size)


def _vocab_path(job: Job) -> Path | None:
    """Return the path of the vocabulary, or None if it must be built.

    It is --vocab, or the vocabulary of --init. If both are given, they must be the same.
    """
    if job.init is None:
        return job.vocab
    init_vocab = job.init / "vocab.txt"
    vocab_path = job.vocab or init_vocab
    if load_vocab(vocab_path).sha256 != load_vocab(init_vocab).sha256:
        raise DataError(
            f"{vocab_path}: is not the vocabulary of {job.init}. Weights and vocabulary belong together, so leave out "
            f"--vocab."
        )
    return vocab_path


def with_model(job: Job, *, vocab_size: int) -> PretrainRecipe:
    """Return the config of the job with the sizes of the model filled in.

    The sizes are those of --init, if given, and the size of the vocabulary.
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
            job.config, model=dataclasses.replace(model, vocab_size=vocab_size, num_hidden_layers=num_layers)
        )
    except ValueError as error:  # max_seq_length of a phase exceeds the positions of --init
        raise ConfigError(str(error)) from None


def _segmenter_of(config: PretrainRecipe) -> SegmenterConfig:
    paths, separator = tuple(map(Path, config.data.custom_dictionary)), config.data.dictionary_separator or None
    return SegmenterConfig(name=config.data.segmenter, custom_dictionary=paths, dictionary_separator=separator)


def _check_shard_options(shards: ShardSet, config: PretrainRecipe) -> None:
    made_with = {
        "segmenter": shards.manifest.segmenter.name,
        "do_lower_case": shards.manifest.tokenizer.do_lower_case,
    }
    for name, value in made_with.items():
        if getattr(config.data, name) != value:
            raise ConfigError(
                f"`data.{name}` must be {value!r}, because {shards.directory} was prepared with it, but is "
                f"{getattr(config.data, name)!r}."
            )
    words = shards.manifest.segmenter.model_sha256
    if config.data.custom_dictionary and make_segmenter(_segmenter_of(config)).model_sha256 != words:
        message = "must name the dictionaries of the shards, in their order; prepare them again, or leave the key out."
        raise ConfigError(f"{shards.directory}: `data.custom_dictionary` {message}")


def _vocab_from(job: Job) -> Vocab:
    sentences = (sentence for document in read_documents(job.corpus) for sentence in document.sentences)
    lower = job.config.data.do_lower_case
    vocab = build_vocab(sentences, vocab_size=job.built_vocab_size, do_lower_case=lower, min_character_frequency=1)
    logger.info("built a vocabulary of %s entries from the corpus", f"{len(vocab):,}")
    return vocab
