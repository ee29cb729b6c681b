"""What preparing a corpus depends on, the folder of unfinished work, and the names of the files in it.

Preparation goes in three passes. Every piece of work reads files and writes files, so any process of any machine that
sees the folder can do it, twice if need be, and what is there already is not done again::

    DIR.partial/                          beside the output DIR; removed when that is complete
      plan.json                           what is being prepared (fingerprint): work on something else is thrown away
      vocab.txt
      text/00003-00017.zst, 00003.json    pass 1, per source: cleaned documents in units of about unit_chars
      characters; hashes; what was found
      text/documents.keep, lines.keep     between: which are no duplicates
      tokens/00003-00017.wwm, .json       pass 2, per unit: tokens in the shard format; counts
      (pass 3, this process: the units in order make the shards)

The .json file of a source or a unit is written last: it is the mark that the work is done.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence

from ...corpus.cleaning import CleaningConfig
from ...corpus.readers import DocumentReader, OnError
from ...corpus.segment import Segmenter, SegmenterConfig
from ...corpus.sentences import SentenceRule
from ...corpus.source_files import Format, Source
from ...tokenization.wordpiece import WordPieceTokenizer
from ..manifest import FORMAT_VERSION, ContentOptions, SourceRecord
from ..shard_format import VOCAB_NAME


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """How raw text becomes shards. `format` None: by the files' endings. `keep_text`: the sentences are kept next to
    the shards.
    """

    segmenter: SegmenterConfig = SegmenterConfig()
    do_lower_case: bool = True
    sentences: SentenceRule = SentenceRule()
    cleaning: CleaningConfig = CleaningConfig()
    format: Format | None = None
    text_key: str = "text"
    on_error: OnError = OnError.FAIL
    keep_text: bool = False

    def content_options(self) -> ContentOptions:
        """What the shards' content depends on; goes into the manifest and the fingerprint.

        Not `on_error`: where nothing is wrong it changes nothing, and where something was skipped, the report says so.
        """
        return ContentOptions(
            sentences=self.sentences, cleaning=self.cleaning, text_key=self.text_key, keep_text=self.keep_text
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a worker needs to know; pickled to every one. `folder` is DIR.partial."""

    folder: Path
    sources: tuple[Source, ...]
    config: PrepareConfig
    fingerprint: str
    unit_chars: int  # of no influence on the shards' bytes

    @property
    def vocab_path(self) -> Path:
        """The vocabulary, copied in so that every machine sees it."""
        return self.folder / VOCAB_NAME

    @property
    def text_folder(self) -> Path:
        """What pass 1 writes."""
        return self.folder / "text"

    @property
    def tokens_folder(self) -> Path:
        """What pass 2 writes."""
        return self.folder / "tokens"

    def source_path(self, source: int, ending: str) -> Path:
        """A file of pass 1 about a whole source."""
        return self.text_folder / f"{source:05d}.{ending}"

    def text_path(self, unit: Unit) -> Path:
        """The cleaned documents of a unit."""
        return self.text_folder / f"{unit.name}.zst"

    def tokens_path(self, unit: Unit, ending: str) -> Path:
        """A file of pass 2 about a unit."""
        return self.tokens_folder / f"{unit.name}.{ending}"

    def reader(self) -> DocumentReader:
        """The reader of the sources."""
        return DocumentReader(on_error=self.config.on_error, text_key=self.config.text_key)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Consecutive documents of one source: what a worker does at once in pass 2.

    The first numbers count through the whole corpus.
    """

    source: int
    number: int
    num_documents: int
    num_lines: int
    num_chars: int
    first_document: int = 0
    first_line: int = 0

    @property
    def name(self) -> str:
        """As in the names of its files; in the order of the corpus."""
        return f"{self.source:05d}-{self.number:05d}"


# A function of (plan, source number or unit) that reads and writes files, and may be called twice for the same item. An
# engine calls it for every item, in any order.
Work = Callable[[Plan, Any], Any]


def inputs_fingerprint(
    *,
    sources: Sequence[SourceRecord],
    vocab_sha256: str,
    segmenter: Segmenter,
    tokenizer: WordPieceTokenizer,
    config: PrepareConfig,
) -> str:
    """sha256 of all that the content depends on. File names do not matter, file contents and their order do."""
    value = {
        "format_version": FORMAT_VERSION,
        "sources": [[source.sha256, source.format] for source in sources],
        "vocab": vocab_sha256,
        "segmenter": [segmenter.name, segmenter.model_sha256],
        "tokenizer": dataclasses.asdict(tokenizer.options),
        **dataclasses.asdict(config.content_options()),
    }
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
