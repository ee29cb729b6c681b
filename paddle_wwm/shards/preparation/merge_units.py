"""Pass 3 of preparing a corpus: join the units, in the order of the corpus, to shards and write the manifest."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Callable, Sequence

from ...corpus.counts import CorpusReport
from ...corpus.dictionary_counts import PhraseCounts
from ...corpus.segment import dictionary_of
from ...errors import DataError
from ...files import sha256_of_file, write_json
from ..manifest import (
    FORMAT_VERSION,
    SegmenterRecord,
    ShardManifest,
    SourceRecord,
    TextRecord,
    content_fingerprint,
    write_manifest,
)
from ..reader import Shard
from ..shard_format import VOCAB_NAME, text_name, token_bits
from ..writer import Sections, ShardWriter
from .tokenize_units import Tools, unit_result
from .work_plan import Plan, Unit

REPORT_NAME = "report.json"
MAX_TEXT_BYTES = 1 << 30


class NothingLeftError(DataError):
    """The corpus has no text, or the rules dropped all of it.

    The finished work is useless then, so it is deleted.
    """


def merge_units(
    folder: Path,
    *,
    plan: Plan,
    units: Sequence[Unit],
    report: CorpusReport,
    tools: Tools,
    sources: Sequence[SourceRecord],
    paths: Sequence[Path],
    on_unit: Callable[[Unit], None],
) -> tuple[ShardManifest, CorpusReport]:
    """Write the shard set into `folder`.

    Args:
        folder: The output folder.
        plan: The plan.
        units: All units, in the order of the corpus.
        report: The report of pass 1.
        tools: Segmenter and tokenizer.
        sources: Records of the sources, for the manifest.
        paths: Paths of the sources, for messages.
        on_unit: Called after every unit.

    Returns:
        The manifest, and the report of all passes.

    Raises:
        NothingLeftError: No text is left.
    """
    vocab = tools.tokenizer.vocab
    writer = ShardWriter(folder, vocab_size=len(vocab))
    texts = _TextWriter(folder)
    counts: Counter = Counter()
    phrases = PhraseCounts()
    total = CorpusReport.from_json(report.to_json())
    for unit in units:
        result = unit_result(plan, unit)
        unit_counts = result.counts
        if unit_counts["documents"]:
            shard = Shard(plan.tokens_path(unit, "wwm"), bits=token_bits(len(vocab)))
            sections = Sections(
                tokens=shard.tokens(0, shard.num_tokens),
                lengths=shard.lengths,
                index=shard.index.astype("i8"),
                num_sentences=unit_counts["sentences"],
            )
            writer.append(sections)
            if plan.config.keep_text:
                texts.append(plan.tokens_path(unit, "zst"), num_documents=unit_counts["documents"])
        counts.update(unit_counts)
        total.merge(result.report)
        phrases.merge(result.phrases)
        on_unit(unit)
    writer.flush()
    if not counts["documents"]:
        names = ", ".join(map(str, paths[:3])) + (", …" if len(paths) > 3 else "")
        raise NothingLeftError(f"{names}: no text was found{_what_was_dropped(total)}.")
    dictionary = dictionary_of(tools.segmenter)
    if dictionary is not None:
        phrases.report(dictionary, total)
    vocab.save(folder / VOCAB_NAME)
    manifest = ShardManifest(
        format_version=FORMAT_VERSION,
        num_documents=counts["documents"],
        num_sentences=counts["sentences"],
        num_words=counts["words"],
        num_tokens=counts["tokens"],
        num_unknown_tokens=counts["unknown"],
        vocab_size=len(vocab),
        vocab_sha256=vocab.sha256,
        segmenter=SegmenterRecord(name=tools.segmenter.name, model_sha256=tools.segmenter.model_sha256),
        tokenizer=tools.tokenizer.options,
        options=plan.config.content_options(),
        sources=tuple(sources),
        report=dict(sorted((+total.counts).items())),
        shards=tuple(writer.shards),
        texts=tuple(texts.close()),
        inputs_fingerprint=plan.fingerprint,
        fingerprint=content_fingerprint(vocab_sha256=vocab.sha256, shards=writer.shards),
    )
    write_json(folder / REPORT_NAME, total.to_json())
    write_manifest(folder, manifest)
    return manifest, total


def _what_was_dropped(report: CorpusReport) -> str:
    dropped = {rule: count for rule, count in sorted(report.counts.items()) if report.characters[rule] > 0}
    return f" (dropped: {', '.join(f'{rule} {count:,}' for rule, count in dropped.items())})" if dropped else ""


class _TextWriter:
    """Writer of the kept text, in files of about MAX_TEXT_BYTES.

    Document n of the set is line n of the concatenated files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._num_documents: list[int] = []  # per file

    def append(self, path: Path, *, num_documents: int) -> None:
        if not self._num_documents or self._path(-1).stat().st_size >= MAX_TEXT_BYTES:
            self._num_documents.append(0)
        with open(self._path(-1), "ab") as target, open(path, "rb") as source:
            shutil.copyfileobj(source, target)
        self._num_documents[-1] += num_documents

    def _path(self, number: int) -> Path:
        return self._folder / text_name(range(len(self._num_documents))[number])

    def close(self) -> list[TextRecord]:
        return [
            TextRecord(file=text_name(number), num_documents=count, sha256=sha256_of_file(self._path(number)))
            for number, count in enumerate(self._num_documents)
        ]
