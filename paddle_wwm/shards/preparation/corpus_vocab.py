"""Build a vocabulary from the files of a corpus, or from a random sample of their documents, in several processes.

Each process counts the words of some files, of a part of a dump, or of every n-th document of a large file. This
process adds the counts up. So the vocabulary does not depend on the number of processes. Memory grows with the number
of different words. Nothing is written, so an interrupted count begins again.
"""

from __future__ import annotations

import enum
import hashlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Sequence

import numpy as np

from ...corpus.cleaning import Cleaner, CleaningConfig
from ...corpus.counts import CorpusReport
from ...corpus.formats import Source
from ...corpus.readers import DocumentReader
from ...corpus.reading.intake import RawDocument
from ...corpus.reading.wiki_pages import parts_of
from ...corpus.sentences import SentenceRule
from ...corpus.source_files import Sources, find_sources
from ...errors import ConfigError, DataError
from ...progress import Progress, counted
from ...tokenization.alphabet import VocabOptions
from ...tokenization.vocab_building import BuiltVocab, vocab_of_counts
from ...tokenization.word_counts import RawCounts, WordCounter, normalized_counts
from .process_engine import ProcessEngine, advance

BATCH_BYTES = 8 << 20  # of small files that are counted together
PURPOSE = "counting words (out of memory?); rerun the same command"


class SampleUnit(enum.Enum):
    """What the size of a sample counts."""

    CHARACTERS = "characters"
    DOCUMENTS = "documents"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A random sample of whole documents.

    The same corpus and seed give the same sample.

    Attributes:
        number: The size. With characters, documents are drawn until they have at least this many.
    """

    number: int
    unit: SampleUnit = SampleUnit.CHARACTERS
    seed: int = 42

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ConfigError(f"a sample must have at least 1 of its {self.unit.value}, but has {self.number}.")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the files are read; sent to every process."""

    reader: DocumentReader = DocumentReader()
    cleaning: CleaningConfig = CleaningConfig()
    sentences: SentenceRule = SentenceRule()
    do_lower_case: bool = True
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class CorpusVocab:
    """A vocabulary, and what it was built from.

    Attributes:
        report: Counts of what was read, kept, dropped and changed.
        num_documents, num_chars: What was counted.
        num_documents_of_corpus, num_chars_of_corpus: What the sample was drawn from; as the counted, without a sample.
    """

    built: BuiltVocab
    report: CorpusReport
    num_documents: int
    num_chars: int
    num_documents_of_corpus: int
    num_chars_of_corpus: int


@dataclass(frozen=True, kw_only=True)
class _Item:
    """Sources to count, each with its number in the corpus.

    A part of a large dump is a source. `chosen` holds the documents of each source to count (None: all). With several
    parts, only every `num_parts`-th document is counted, beginning with number `part`.
    """

    sources: tuple[tuple[int, Source], ...]
    chosen: tuple[np.ndarray | None, ...]
    part: int = 0
    num_parts: int = 1

    @property
    def num_bytes(self) -> int:
        return sum(source.size for _, source in self.sources) // self.num_parts


@dataclass(kw_only=True)
class _Counted:
    counts: RawCounts = field(default_factory=RawCounts)
    report: CorpusReport = field(default_factory=CorpusReport)
    num_documents: int = 0
    num_chars: int = 0


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """The documents of an item: random keys, lengths, sources, and numbers."""

    keys: np.ndarray
    lengths: np.ndarray
    sources: np.ndarray
    numbers: np.ndarray


def build_corpus_vocab(
    *,
    corpus: Iterable[str | Path] | Sources,
    options: VocabOptions,
    reading: Reading = Reading(),
    sample: Sample | None = None,
    num_workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> CorpusVocab:
    """Build a vocabulary from files, globs and folders.

    Args:
        corpus: The names, or what `find_sources` has found.
        options: What goes into the vocabulary; `do_lower_case` is taken from it.
        reading: How the files are read.
        sample: Use a random sample of the documents. Two passes read the files: one draws, one counts.
        num_workers: Number of processes; None: one per core. It does not change the vocabulary.
        progress: Called with the bytes that are done.

    Raises:
        ConfigError: An option is impossible.
        DataError: A file is wrong, the corpus has no text, or its characters need more entries than there are.
    """
    form = reading.reader.form
    if not isinstance(corpus, Sources):
        corpus = find_sources(corpus, format=form.format, encoding=form.encoding)
    sources = list(enumerate(part for source in corpus.files for part in parts_of(source, encoding=form.encoding)))
    num_workers = num_workers or os.cpu_count() or 1
    engine = ProcessEngine(num_workers=num_workers, purpose=PURPOSE)
    plan = _plan(reading, options=options, sample=sample)
    chosen: dict[int, np.ndarray] | None = None
    listed: Sequence[_Listed] = ()
    if sample is not None:
        items = list(_items(sources, num_workers=num_workers, chosen=None))
        listed = list(_run(engine, _list_documents, plan, items, stage="draw the sample", progress=progress))
        chosen = _draw(listed, sample=sample)
    total = _Counted()
    items = list(_items(sources, num_workers=num_workers, chosen=chosen))
    for part in _run(engine, _count_words, plan, items, stage="count words", progress=progress):
        total.counts.merge(part.counts)
        total.report.merge(part.report)
        total.num_documents += part.num_documents
        total.num_chars += part.num_chars
    total.report.samples.clear()  # which ones come first would depend on the number of processes
    words = normalized_counts([total.counts], do_lower_case=options.do_lower_case)
    return CorpusVocab(
        built=vocab_of_counts(words, options=options),
        report=total.report,
        num_documents=total.num_documents,
        num_chars=total.num_chars,
        num_documents_of_corpus=sum(len(one.keys) for one in listed) or total.num_documents,
        num_chars_of_corpus=sum(int(one.lengths.sum()) for one in listed) or total.num_chars,
    )


def _plan(reading: Reading, *, options: VocabOptions, sample: Sample | None) -> Reading:
    return replace(reading, do_lower_case=options.do_lower_case, seed=sample.seed if sample else 0)


def _run(
    engine: ProcessEngine,
    work: Callable[[Any, Any], Any],
    plan: Reading,
    items: Sequence[_Item],
    *,
    stage: str,
    progress: Callable[[Progress], None] | None,
) -> Iterator[Any]:
    # the largest first, so that no process is alone with a large one at the end
    order = sorted(items, key=lambda item: -item.num_bytes)
    with counted(progress, stage=stage, total=sum(item.num_bytes for item in items), unit="B") as done:
        for result in engine.run(work, plan, order, on_progress=done.update):
            if result is not None:
                yield result


def _items(
    sources: Sequence[tuple[int, Source]], *, num_workers: int, chosen: dict[int, np.ndarray] | None
) -> Iterator[_Item]:
    """Yield groups of small sources, and the parts of large ones."""
    sizes = [source.size for _, source in sources]
    total = sum(sizes)
    group: list[tuple[int, Source]] = []
    group_bytes = 0

    def item(members: Sequence[tuple[int, Source]], **part: int) -> _Item:
        of_members = tuple(None if chosen is None else chosen[number] for number, _ in members)
        return _Item(sources=tuple(members), chosen=of_members, **part)

    for (number, source), size in zip(sources, sizes):
        if chosen is not None and number not in chosen:
            continue
        if size >= BATCH_BYTES:
            num_parts = max(1, round(num_workers * size / total))
            yield from (item([(number, source)], part=part, num_parts=num_parts) for part in range(num_parts))
            continue
        if group and group_bytes + size > BATCH_BYTES:
            yield item(group)
            group, group_bytes = [], 0
        group.append((number, source))
        group_bytes += size
    if group:
        yield item(group)


def _read(plan: Reading, source: Source, report: CorpusReport, *, num_bytes: int) -> Iterator[tuple[int, RawDocument]]:
    """Yield the documents with their numbers, and report `num_bytes` of progress."""
    size = source.size
    num_read = num_reported = 0
    for number, document in enumerate(plan.reader.read(source, report)):
        yield number, document
        num_read += sum(len(line.encode("utf-8", "surrogatepass")) + 1 for line in document.lines)
        reached = min(num_bytes, num_bytes * num_read // max(size, 1))  # a compressed source is complete too early
        advance(reached - num_reported)
        num_reported = reached
    advance(num_bytes - num_reported)


def _list_documents(plan: Reading, item: _Item) -> _Listed:
    keys, lengths, of_source, numbers = [], [], [], []
    for source_number, source in item.sources:
        for number, document in _read(plan, source, CorpusReport(), num_bytes=source.size // item.num_parts):
            if number % item.num_parts == item.part:
                name = f"{plan.seed} {source_number} {number}"
                keys.append(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little"))
                lengths.append(sum(map(len, document.lines)))
                of_source.append(source_number)
                numbers.append(number)
    return _Listed(
        keys=np.array(keys, np.uint64),
        lengths=np.array(lengths, np.int64),
        sources=np.array(of_source, np.int64),
        numbers=np.array(numbers, np.int64),
    )


def _draw(listed: Sequence[_Listed], *, sample: Sample) -> dict[int, np.ndarray]:
    """Return the documents of the sample: for every source, their numbers in it."""
    keys, lengths, sources, numbers = (
        np.concatenate([getattr(one, name) for one in listed]) for name in ("keys", "lengths", "sources", "numbers")
    )
    if not len(keys):
        raise DataError("the corpus has no text; to build a vocabulary, use a corpus with text.")
    order = np.lexsort((numbers, sources, keys))
    sizes = lengths[order] if sample.unit is SampleUnit.CHARACTERS else np.ones(len(order), np.int64)
    taken = order[: int(np.searchsorted(np.cumsum(sizes), sample.number)) + 1]
    taken = taken[np.lexsort((numbers[taken], sources[taken]))]
    names, firsts = np.unique(sources[taken], return_index=True)
    return dict(zip(names.tolist(), np.split(numbers[taken], firsts[1:])))


def _count_words(plan: Reading, item: _Item) -> _Counted:
    result, counter = _Counted(), WordCounter(do_lower_case=plan.do_lower_case)
    cleaner = Cleaner(config=plan.cleaning, sentences=plan.sentences)
    for (_, source), chosen in zip(item.sources, item.chosen):
        wanted = None if chosen is None else set(chosen.tolist())
        # every part reads the whole source, so one of them reports how it was read
        report = result.report if item.part == 0 else CorpusReport()
        for number, raw in _read(plan, source, report, num_bytes=source.size // item.num_parts):
            if number % item.num_parts != item.part or (wanted is not None and number not in wanted):
                continue
            result.num_documents += 1
            result.num_chars += sum(map(len, raw.lines))
            document = cleaner.clean(raw, result.report)
            if document is not None:
                counter.add(sentence for line in document.lines for sentence in plan.sentences.split(line))
    result.counts = counter.counts()
    return result
