"""Prepare a shard set from raw text in one call.

Existing shards are reused if nothing relevant has changed, and interrupted work is continued. The bytes are the same
for every engine and every number of workers. `work_plan.py` shows how the work is divided.
"""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, ContextManager, Iterable, Sequence

from ...corpus.counts import CorpusReport
from ...corpus.formats import Source
from ...corpus.reading.options import BAD_INPUT, OnError
from ...corpus.reading.wiki_pages import parts_of
from ...corpus.segment import make_segmenter
from ...corpus.source_files import Sources, find_sources
from ...errors import DataError
from ...files import atomic_directory, locked, remove_leftovers, require_local, sha256_of_file
from ...optional import need_package
from ...progress import Counter, Progress, counted
from ...tokenization.vocab import Vocab
from ...tokenization.wordpiece import WordPieceTokenizer
from ..manifest import ShardManifest, SourceRecord, read_manifest
from ..reader import ShardSet
from ..shard_format import shard_name
from .duplicates import write_first_occurrences
from .engines import Engine, EngineConfig, open_engine
from .folders import check_replaceable, kept_for_later, start_work
from .merge_units import REPORT_NAME, merge_units
from .read_sources import DOCUMENT_HASHES, LINE_HASHES, batch_result, read_batch
from .tokenize_units import KEEP_DOCUMENTS, KEEP_LINES, Tools, keep_tools, tokenize_unit
from .work_plan import Batch, Plan, PrepareConfig, Unit, batches_of, inputs_fingerprint

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PreparedCorpus:
    """Result of `prepare_corpus`.

    Attributes:
        directory: The folder of the shards.
        manifest: Their manifest.
        report: Counts and samples of dropped and changed text.
        reused: True if the shards existed already.
        made_by: The segmenter as it ran here, and the engine; empty if the shards were reused.
    """

    directory: Path
    manifest: ShardManifest
    report: CorpusReport
    reused: bool
    made_by: tuple[str, ...] = ()


def prepare_corpus(
    *,
    corpus: Iterable[str | Path] | Sources,
    vocab: Vocab,
    config: PrepareConfig = PrepareConfig(),
    engine: EngineConfig = EngineConfig(),
    output: str | Path | None = None,
    cache: str | Path | None = None,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> PreparedCorpus:
    """Segment, tokenize and store a corpus as shards.

    Existing shards of the same input are reused; damaged ones are made again. If several processes call this at once,
    one prepares and the others wait and reuse the result. After an interruption, the same call continues the work in
    DIR.partial. The bytes do not depend on the engine or the number of workers.

    Args:
        corpus: Files, globs or folders, or what `find_sources` has found.
        vocab: The vocabulary (`load_vocab`).
        config: How text is read, cleaned, segmented and tokenized.
        engine: Processes or Dask workers, and how many.
        output: The folder of the shards. Give either this or `cache`.
        cache: A folder of prepared corpora. The shards are written to a subfolder named after the fingerprint.
        overwrite: Replace other shards in `output`.
        progress: Called for each stage with the files, characters or bytes that are done.

    Returns:
        The folder, its manifest with all counts, the report of cleaning, and whether the shards existed already.

    Raises:
        DataError: A source or the vocabulary is wrong, or `output` holds something else.
        ConfigError: A segmenter or engine is not available.
        Interrupted: The user pressed Ctrl-C; finished work is kept.

    Source:
        Words are stored with the pieces because whole word masking segments the text before masking: "Pre-Training
        with Whole Word Masking for Chinese BERT" (arXiv 1906.08101).

    Example:
        >>> from paddle_wwm import load_vocab, prepare_corpus
        >>> from paddle_wwm.shards.preparation.engines import EngineConfig
        >>> engine = EngineConfig(num_workers=1)
        >>> done = prepare_corpus(corpus=["corpus.txt"], vocab=load_vocab("vocab.txt"), output="new", engine=engine)
        >>> done.manifest.num_documents, done.reused
        (2, False)
    """
    if (output is None) == (cache is None):
        raise ValueError("give either `output` or `cache`.")
    require_local(output if output is not None else cache)  # type: ignore[arg-type]
    if not isinstance(corpus, Sources):
        corpus = find_sources(corpus, format=config.form.format, encoding=config.form.encoding)
    files = corpus.files
    tools = Tools(
        segmenter=make_segmenter(config.segmenter),
        tokenizer=WordPieceTokenizer(vocab=vocab, do_lower_case=config.do_lower_case),
    )
    need_package("pyarrow", purpose="preparing a corpus")
    sources = _describe(files, progress=progress)
    fingerprint = inputs_fingerprint(
        sources=sources, vocab_sha256=vocab.sha256, segmenter=tools.segmenter, tokenizer=tools.tokenizer, config=config
    )
    directory = Path(output) if output is not None else Path(cache) / fingerprint[:16]  # type: ignore[arg-type]
    directory.parent.mkdir(parents=True, exist_ok=True)
    with locked(directory.parent / f".{directory.name}.lock"):
        if directory.exists():
            found = _manifest_in(directory)
            if found is None or found.inputs_fingerprint != fingerprint or not _is_acceptable(found.report, config):
                check_replaceable(
                    directory,
                    holds_shards=found is not None or (directory / shard_name(0)).exists(),
                    overwrite=overwrite,
                )
            elif _is_whole(directory):
                report = CorpusReport.from_json(json.loads((directory / REPORT_NAME).read_text(encoding="utf-8")))
                if report.characters["long_lines"] <= 0:
                    return PreparedCorpus(directory=directory, manifest=found, report=report, reused=True)
                check_replaceable(
                    directory,
                    holds_shards=True,
                    overwrite=overwrite or cache is not None,
                    made_of="an earlier version, which dropped long lines",
                )
        remove_leftovers(directory)
        plan = Plan(
            folder=directory.with_name(f"{directory.name}.partial").absolute(),
            config=config,
            fingerprint=fingerprint,
            unit_chars=engine.unit_chars,
        )
        with kept_for_later(plan):
            start_work(plan, vocab)
            keep_tools(plan, tools)
            with open_engine(engine) as runner:
                made_by = (tools.segmenter.description, runner.description)
                batches = batches_of(
                    (replace(part, path=part.path.absolute()), part.size)
                    for source in files
                    for part in parts_of(source, encoding=config.form.encoding)
                )
                units, report = _read_sources(plan, batches, runner, progress=progress)
                _tokenize_units(plan, units, runner, progress=progress)
            with (
                atomic_directory(directory, replace=True) as folder,
                _counted(progress, "write shards", units) as written,
            ):
                manifest, report = merge_units(
                    folder,
                    plan=plan,
                    units=units,
                    report=report,
                    tools=tools,
                    sources=sources,
                    paths=[source.path for source in files],
                    on_unit=lambda unit: written.update(unit.num_chars),
                )
        shutil.rmtree(plan.folder)
    return PreparedCorpus(directory=directory, manifest=manifest, report=report, reused=False, made_by=made_by)


def _describe(files: Sequence[Source], *, progress: Callable[[Progress], None] | None) -> list[SourceRecord]:
    """Return the names, sizes and checksums of the sources, for the manifest."""
    described = []
    total = sum(source.path.stat().st_size for source in files)
    with counted(progress, stage="checksums", total=total, unit="B") as checked:
        for source in files:
            size = source.path.stat().st_size
            described.append(
                SourceRecord(
                    name=source.name,
                    size=size,
                    sha256=sha256_of_file(source.path),
                    format=source.format.value + source.compression,
                )
            )
            checked.update(size)
    return described


def _manifest_in(directory: Path) -> ShardManifest | None:
    try:
        return read_manifest(directory)
    except DataError:  # missing, damaged, or of another version
        return None


def _is_acceptable(counts: dict[str, int], config: PrepareConfig) -> bool:
    """Return True if no bad input was skipped, or `config` allows to skip it."""
    return config.on_error is OnError.SKIP or not any(counts.get(rule) for rule in BAD_INPUT)


def _is_whole(directory: Path) -> bool:
    try:
        ShardSet(directory).verify()
    except DataError:
        return False
    return (directory / REPORT_NAME).exists()


def _read_sources(
    plan: Plan, batches: Sequence[Batch], engine: Engine, *, progress: Callable[[Progress], None] | None
) -> tuple[list[Unit], CorpusReport]:
    """Run pass 1 and find the duplicates."""
    for batch in batches:
        mark = plan.batch_path(batch.number, "json")
        if not mark.exists():
            continue
        of_batch, batch_report = batch_result(plan, batch.number)
        if not _is_acceptable(batch_report.counts, plan.config):
            for unit in of_batch:  # reading the sources again may give other units
                plan.tokens_path(unit, "json").unlink(missing_ok=True)
            mark.unlink()  # the skipped input must raise an error now
    num_sources = sum(len(batch.sources) for batch in batches)
    # the largest batch first, so that no worker is alone with a large one at the end
    order = sorted(batches, key=lambda batch: -batch.num_bytes)
    with counted(
        progress if num_sources > 1 else None, stage="read and clean", total=num_sources, unit=" files"
    ) as read:
        for num_read in engine.run(read_batch, plan, order):
            read.update(num_read or 0)
    report = CorpusReport()
    units: list[Unit] = []
    first_document = first_line = 0
    for batch in batches:
        of_batch, batch_report = batch_result(plan, batch.number)
        report.merge(batch_report)
        for unit in of_batch:
            units.append(replace(unit, first_document=first_document, first_line=first_line))
            first_document += unit.num_documents
            first_line += unit.num_lines
    rules = plan.config.cleaning.rules
    for rule, target, ending in (
        ("duplicate_documents", KEEP_DOCUMENTS, DOCUMENT_HASHES),
        ("duplicate_lines", KEEP_LINES, LINE_HASHES),
    ):
        if rule in rules:
            write_first_occurrences(
                plan.text_folder / target, [plan.batch_path(batch.number, ending) for batch in batches]
            )
    return units, report


def _tokenize_units(
    plan: Plan, units: Sequence[Unit], engine: Engine, *, progress: Callable[[Progress], None] | None
) -> None:
    """Run pass 2."""
    missing = [unit for unit in units if not plan.tokens_path(unit, "json").exists()]
    with _counted(progress, "words and pieces", units) as tokenized:
        tokenized.update(sum(unit.num_chars for unit in units) - sum(unit.num_chars for unit in missing))
        for num_chars in engine.run(tokenize_unit, plan, missing):
            tokenized.update(num_chars or 0)


def _counted(progress: Callable[[Progress], None] | None, stage: str, units: Sequence[Unit]) -> ContextManager[Counter]:
    return counted(progress, stage=stage, total=sum(unit.num_chars for unit in units), unit=" chars")
