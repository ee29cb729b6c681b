"""The corpora of a run: text that is prepared, or folders of shards, for training and for general text."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Sequence

from ..config import PretrainRecipe
from ..corpus.documents import read_documents
from ..corpus.segment import SegmenterConfig, make_segmenter
from ..corpus.source_files import Sources, find_sources
from ..errors import ConfigError, DataError
from ..progress import Progress
from ..shards.manifest import MANIFEST_NAME
from ..shards.preparation.prepare import prepare_corpus
from ..shards.preparation.work_plan import PrepareConfig
from ..shards.reader import ShardSet
from ..tokenization.vocab import Vocab, load_vocab
from ..tokenization.vocab_building import build_vocab
from .job_options import Job

BYTES_PER_TOKEN = 2.9  # UTF-8 has 3 bytes per Chinese character, and fewer per piece of other text

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Corpora:
    """The prepared corpora of a run.

    Attributes:
        shards: the corpora to train on; those of general text come last.
        num_general: the number of corpora of general text.
    """

    shards: tuple[ShardSet, ...]
    num_general: int

    @property
    def num_main(self) -> int:
        """The number of corpora that are no general text."""
        return len(self.shards) - self.num_general


def open_corpora(job: Job, *, progress: Callable[[Progress], None] | None) -> Corpora:
    """Open the corpora of a job, and prepare text first.

    Raises:
        ConfigError: the number of weights, or an option of shards, does not fit the recipe.
        DataError: a corpus or the vocabulary is wrong.
    """
    main = _open(job, job.corpus, first=None, progress=progress)
    weights = job.config.data.mixture_weights
    if weights and len(weights) != len(main):
        raise ConfigError(
            f"`data.mixture_weights` must have one number for each of the {len(main)} prepared corpora, but is "
            f"{list(weights)}."
        )
    general = _open(job, job.general, first=main[0], progress=progress) if job.general else []
    return Corpora(shards=(*main, *general), num_general=len(general))


def _open(
    job: Job, corpus: Sequence[Path], *, first: ShardSet | None, progress: Callable[[Progress], None] | None
) -> list[ShardSet]:
    """Open or prepare one group of corpora.

    `first` has the vocabulary, if the job names none.
    """
    vocab_path = vocab_path_of(job)
    if is_prepared(corpus):
        corpora = [ShardSet(path) for path in corpus]
        reference = first or corpora[0]
        expected = reference.manifest.vocab_sha256 if vocab_path is None else load_vocab(vocab_path).sha256
        for shards in corpora:
            if shards.manifest.vocab_sha256 != expected:
                whose = vocab_path or reference.directory
                raise DataError(
                    f"{shards.directory}: was prepared with another vocabulary than that of {whose}. Prepare it again "
                    f"with that vocabulary."
                )
            _check_shard_options(shards, job.config)
            shards.verify()
        return corpora
    sources = find_sources(corpus)
    if vocab_path is not None:
        vocab = load_vocab(vocab_path)
    else:
        vocab = first.vocab() if first is not None else _vocab_from(job, sources)
    prepared = prepare_corpus(
        corpus=sources,
        vocab=vocab,
        config=PrepareConfig(segmenter=_segmenter_of(job.config), do_lower_case=job.config.data.do_lower_case),
        cache=job.prepared,
        progress=progress,
    )
    what = (
        f"{prepared.manifest.num_documents:,} documents, {prepared.manifest.num_tokens:,} tokens: {prepared.directory}"
    )
    logger.info("%s %s", "reusing" if prepared.reused else "prepared", what)
    return [ShardSet(prepared.directory)]


def is_prepared(corpus: Sequence[Path]) -> bool:
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


def vocab_path_of(job: Job) -> Path | None:
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


def estimated_tokens(corpus: Sequence[Path]) -> float:
    """Estimate the number of tokens of a corpus.

    It is the number in its shards, or about one per Chinese character of text. A compressed file counts with its
    compressed bytes, so there it is too low.

    Raises:
        DataError: a file is missing, or there is nothing to read.
    """
    if is_prepared(corpus):
        return sum(ShardSet(path).manifest.num_tokens for path in corpus)
    return sum(source.size for source in find_sources(corpus).files) / BYTES_PER_TOKEN


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


def _vocab_from(job: Job, sources: Sources) -> Vocab:
    sentences = (sentence for document in read_documents(sources) for sentence in document.sentences)
    lower = job.config.data.do_lower_case
    vocab = build_vocab(sentences, vocab_size=job.built_vocab_size, do_lower_case=lower, min_character_frequency=1)
    logger.info("built a vocabulary of %s entries from the corpus", f"{len(vocab):,}")
    return vocab
