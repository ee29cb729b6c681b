"""Open every source of a corpus and estimate the work from a sample, without writing anything."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Callable, Sequence

from ...corpus.cleaning import Cleaner
from ...corpus.counts import CorpusReport
from ...corpus.documents import Document
from ...corpus.formats import Source
from ...corpus.readers import DocumentReader
from ...corpus.reading.intake import RawDocument
from ...corpus.segment import Segmenter
from ...errors import DataError
from ...optional import need_package
from ...progress import Progress, counted
from ...tokenization.tokenized import tokenize_documents
from ...tokenization.vocab import Vocab
from ...tokenization.wordpiece import WordPieceTokenizer
from ..writer import sections_of
from .work_plan import PrepareConfig

# Of so many files per kind, so many characters are read. It must be much more than a block of compressed data.
DEEP_FILES, DEEP_CHARS = 4, 600_000
MAX_KEPT_CHARS = 400_000  # of the sample, which are segmented; a single longer document is kept whole


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What preparing a corpus will take.

    Attributes:
        kinds: For each format with its compression, the number of files and of bytes.
        problems: The errors of the sources that cannot be read.
        report: What cleaning did to the sample.
        num_sampled_chars: Characters that the estimate is based on; 0: no text was found.
        seconds: Time with the workers that were asked for.
        shard_bytes: Size of the shards.
        working_bytes: What unfinished work takes, in addition, until the end.
    """

    kinds: dict[str, tuple[int, int]]
    problems: tuple[str, ...]
    report: CorpusReport
    num_sampled_chars: int = 0
    num_chars: int = 0
    num_tokens: int = 0
    seconds: float = 0.0
    shard_bytes: int = 0
    working_bytes: int = 0


@dataclass(kw_only=True)
class _Sample:
    """What was read.

    Of the documents, every `step`-th is kept, so that few characters are in memory.
    """

    documents: list[RawDocument] = field(default_factory=list)
    num_kept_chars: int = 0
    num_documents: int = 0
    step: int = 1
    num_chars: Counter = field(default_factory=Counter)  # kind -> characters
    num_bytes: Counter = field(default_factory=Counter)  # kind -> bytes of the files that hold them
    seconds: float = 0.0  # reading and cleaning

    def add(self, document: RawDocument) -> None:
        """Keep a document, or leave it out."""
        self.num_documents += 1
        if (self.num_documents - 1) % self.step:
            return
        self.documents.append(document)
        self.num_kept_chars += _num_chars(document)
        while self.num_kept_chars > MAX_KEPT_CHARS and len(self.documents) > 1:
            self.step *= 2
            self.documents = self.documents[::2]
            self.num_kept_chars = sum(map(_num_chars, self.documents))


def _num_chars(document: RawDocument) -> int:
    return sum(map(len, document.lines))


def estimate(
    sources: Sequence[Source],
    *,
    vocab: Vocab,
    config: PrepareConfig,
    segmenter: Segmenter,
    num_workers: int,
    progress: Callable[[Progress], None] | None = None,
) -> Estimate:
    """Open every source, read a sample, and estimate the work.

    Args:
        sources: The files.
        vocab: The vocabulary.
        config: How text is read, cleaned, segmented and tokenized.
        segmenter: The segmenter of `config`.
        num_workers: The number of processes that will work.
        progress: Called for each source.
    """
    need_package("pyarrow", purpose="preparing a corpus")
    by_kind: dict[str, list[Source]] = {}
    for source in sources:
        by_kind.setdefault(source.kind, []).append(source)
    kinds = {kind: (len(files), sum(file.size for file in files)) for kind, files in sorted(by_kind.items())}
    report, problems = CorpusReport(), []
    sample = _Sample()
    deep = {
        id(source)
        for files in by_kind.values()
        for source in islice(sorted(files, key=lambda file: -file.size), DEEP_FILES)
    }
    reader, cleaner = config.reader(), config.cleaner()
    with counted(progress, stage="open sources", total=len(sources), unit=" files") as opened:
        for source in sources:
            try:
                _read(source, sample, report, reader=reader, cleaner=cleaner, is_deep=id(source) in deep)
            except DataError as error:
                problems.append(str(error))
            opened.update()
    num_chars = sum(
        int(size * sample.num_chars[kind] / sample.num_bytes[kind])
        for kind, (_, size) in kinds.items()
        if sample.num_bytes[kind]
    )
    found = Estimate(kinds=kinds, problems=tuple(problems), report=report, num_chars=num_chars)
    if not sample.documents or not num_chars:
        return found
    tokenizer = WordPieceTokenizer(vocab=vocab, do_lower_case=config.do_lower_case)
    return _with_costs(found, sample, segmenter=segmenter, tokenizer=tokenizer, config=config, num_workers=num_workers)


def _read(
    source: Source, sample: _Sample, report: CorpusReport, *, reader: DocumentReader, cleaner: Cleaner, is_deep: bool
) -> None:
    started = time.perf_counter()
    limits = {"max_documents": 1 << 30, "max_chars": DEEP_CHARS} if is_deep else {"max_documents": 1, "max_chars": 1}
    found, share = reader.read_sample(source, report, **limits)
    cleaned = [document for raw in found if (document := cleaner.clean(raw, report)) is not None]
    if is_deep:
        sample.seconds += time.perf_counter() - started
        sample.num_chars[source.kind] += sum(map(_num_chars, cleaned))
        sample.num_bytes[source.kind] += max(1, int(share * source.size))
    for document in cleaned:
        sample.add(document)


def _with_costs(
    found: Estimate,
    sample: _Sample,
    *,
    segmenter: Segmenter,
    tokenizer: WordPieceTokenizer,
    config: PrepareConfig,
    num_workers: int,
) -> Estimate:
    import pyarrow

    documents = [
        Document(
            doc_id=raw.doc_id, sentences=tuple(part for line in raw.lines for part in config.sentences.split(line))
        )
        for raw in sample.documents
    ]
    documents = [document for document in documents if document.sentences]
    timed_chars = sum(len(sentence) for document in documents for sentence in document.sentences)
    counts: Counter = Counter()
    tokenize_documents(documents[:1], segmenter=segmenter, tokenizer=tokenizer, report=counts)  # compiles the loops
    started = time.perf_counter()
    tokenized = tokenize_documents(documents, segmenter=segmenter, tokenizer=tokenizer, report=counts)
    seconds = time.perf_counter() - started
    sections = sections_of(tokenized, vocab_size=len(tokenizer.vocab))
    text = "\n".join(sentence for document in documents for sentence in document.sentences).encode("utf-8", "replace")
    scale = found.num_chars / max(1, timed_chars)
    reading = sample.seconds / max(1, sum(sample.num_chars.values())) * found.num_chars
    shard_bytes = int((sections.tokens.nbytes + sections.lengths.nbytes + sections.index.nbytes) * scale)
    packed = len(pyarrow.Codec("zstd").compress(text, asbytes=True)) * scale
    return replace(
        found,
        num_sampled_chars=timed_chars,
        num_tokens=int(len(sections.tokens) * scale),
        seconds=(seconds * scale + reading) / num_workers,
        shard_bytes=shard_bytes + (int(packed) if config.keep_text else 0),
        working_bytes=shard_bytes + int(packed),
    )
