"""The options of preparing a corpus, the folder of unfinished work, and the names of the files in it.

Preparation has three passes. Every piece of work reads and writes files, so any process on any machine that sees the
folder can do it. It may be done twice, and finished work is skipped::

    DIR.partial/                          next to the output DIR; removed when the output is complete
      plan.json                           fingerprint of this preparation and layout of the folder; unfinished work of
                                          another one is deleted
      vocab.txt
      text/00003-00017.zst, 00003.json    pass 1, per batch of sources: cleaned documents in units of about unit_chars
                                          characters; hashes; counts and samples
      text/documents.keep, lines.keep     between the passes: which documents and lines are not duplicates
      tokens/00003-00017.wwm, .json       pass 2, per unit: tokens in the shard format; counts
      (pass 3, this process: join the units in order to shards)

The .json file of a batch or a unit is written last: it marks the work as finished.

A batch is one large source or many small ones, so that a corpus of many small files needs few files and few waits for
the disk. Batches follow from the sizes of the sources only, so they are the same for every rerun.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Sequence

from ...corpus.cleaning import Cleaner, CleaningConfig
from ...corpus.formats import Source
from ...corpus.readers import DocumentReader
from ...corpus.reading.options import OnError, TextForm
from ...corpus.segment import Segmenter, SegmenterConfig
from ...corpus.sentences import SentenceRule
from ...tokenization.wordpiece import WordPieceTokenizer
from ..manifest import FORMAT_VERSION, ContentOptions, SourceRecord
from ..shard_format import VOCAB_NAME

# If these change, LAYOUT in folders.py must change: a rerun continues with the batches of the first run.
MAX_BATCH_BYTES = 1 << 19
MAX_BATCH_SOURCES = 500


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """How raw text becomes shards.

    Attributes:
        form: How the text lies in the files.
        keep_text: Keep the sentences next to the shards.
    """

    segmenter: SegmenterConfig = SegmenterConfig()
    do_lower_case: bool = True
    sentences: SentenceRule = SentenceRule()
    cleaning: CleaningConfig = CleaningConfig()
    form: TextForm = TextForm()
    on_error: OnError = OnError.FAIL
    keep_text: bool = False

    def reader(self) -> DocumentReader:
        """Return the reader of the sources."""
        return DocumentReader(on_error=self.on_error, form=self.form, sentences=self.sentences)

    def cleaner(self) -> Cleaner:
        """Return the cleaner of the documents."""
        return Cleaner(config=self.cleaning, sentences=self.sentences)

    def content_options(self) -> ContentOptions:
        """Return the options that the content depends on, for manifest and fingerprint.

        `on_error` is left out: without bad input it has no effect, and the report counts skipped input.
        """
        return ContentOptions(
            sentences=self.sentences,
            cleaning=self.cleaning,
            keep_text=self.keep_text,
            text_keys=self.form.text_keys,
            document=self.form.document.value,
            encoding=self.form.encoding,
            variant=self.form.variant,
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that a worker needs; it is pickled and sent to every worker.

    Attributes:
        folder: DIR.partial.
        unit_chars: Characters per unit. This does not change the bytes of the shards.
    """

    folder: Path
    config: PrepareConfig
    fingerprint: str
    unit_chars: int

    @property
    def vocab_path(self) -> Path:
        """The copy of the vocabulary that every machine can read."""
        return self.folder / VOCAB_NAME

    @property
    def text_folder(self) -> Path:
        """The output folder of pass 1."""
        return self.folder / "text"

    @property
    def tokens_folder(self) -> Path:
        """The output folder of pass 2."""
        return self.folder / "tokens"

    def batch_path(self, batch: int, ending: str) -> Path:
        """Return the path of a file of pass 1 for a batch."""
        return self.text_folder / f"{batch:05d}.{ending}"

    def text_path(self, unit: Unit) -> Path:
        """Return the path of the cleaned documents of a unit."""
        return self.text_folder / f"{unit.name}.zst"

    def tokens_path(self, unit: Unit, ending: str) -> Path:
        """Return the path of a file of pass 2 for a unit."""
        return self.tokens_folder / f"{unit.name}.{ending}"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Consecutive sources; one item of work in pass 1."""

    number: int
    sources: tuple[Source, ...]
    num_bytes: int


def batches_of(sources: Iterable[tuple[Source, int]]) -> list[Batch]:
    """Divide sources into batches; a large source or part is a batch of its own.

    Args:
        sources: Each source with its size in bytes.
    """
    batches: list[Batch] = []
    group: list[Source] = []
    num_bytes = 0

    def end_batch() -> None:
        if group:
            batches.append(Batch(number=len(batches), sources=tuple(group), num_bytes=num_bytes))

    for source, size in sources:
        if num_bytes + size > MAX_BATCH_BYTES or len(group) == MAX_BATCH_SOURCES:
            end_batch()
            group, num_bytes = [], 0
        group.append(source)
        num_bytes += size
    end_batch()
    return batches


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Consecutive documents of one batch; one item of work in pass 2.

    Attributes:
        batch: Number of the batch.
        number: Number of the unit in its batch.
        first_document: Number of the first document in the whole corpus.
        first_line: Number of the first line in the whole corpus.
    """

    batch: int
    number: int
    num_documents: int
    num_lines: int
    num_chars: int
    first_document: int = 0
    first_line: int = 0

    @property
    def name(self) -> str:
        """Name in the file names. Sorting by name gives the order of the corpus."""
        return f"{self.batch:05d}-{self.number:05d}"


# A function of (plan, batch or unit) that reads and writes files. An engine calls it for every item, in any
# order, and may call it twice for the same item.
Work = Callable[[Any, Any], Any]


def inputs_fingerprint(
    *,
    sources: Sequence[SourceRecord],
    vocab_sha256: str,
    segmenter: Segmenter,
    tokenizer: WordPieceTokenizer,
    config: PrepareConfig,
) -> str:
    """Return the sha256 of everything that the content depends on.

    The contents of the files and their order matter; their names do not.
    """
    value = {
        "format_version": FORMAT_VERSION,
        "sources": [[source.sha256, source.format] for source in sources],
        "vocab": vocab_sha256,
        "segmenter": [segmenter.name, segmenter.model_sha256],
        "tokenizer": dataclasses.asdict(tokenizer.options),
        "sentences": dataclasses.asdict(config.sentences),
        "cleaning": dataclasses.asdict(config.cleaning),
        "keep_text": config.keep_text,
        **config.form.to_fingerprint(),
    }
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
