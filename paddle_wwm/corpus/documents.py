"""Sources to documents of sentences, in one process and without the rules that need the whole corpus: for vocabularies
and samples.

`paddle_wwm/shards/preparation/prepare.py` does the same for shards, in units that many processes share.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator

from .cleaning import Cleaner, CleaningConfig
from .counts import CorpusReport
from .readers import DocumentReader
from .sentences import SentenceRule
from .source_files import find_sources

SAMPLE_CORPUS = Path(__file__).resolve().parents[1] / "sample_data" / "sample_corpus.txt"  # part of the package


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document of raw text. `doc_id` is "file name:line of its first sentence"."""

    doc_id: str
    sentences: tuple[str, ...]


def read_documents(
    sources: str | Path | Iterable[str | Path],
    *,
    reader: DocumentReader = DocumentReader(),
    cleaning: CleaningConfig = CleaningConfig(),
    sentences: SentenceRule = SentenceRule(),
    report: CorpusReport | None = None,
) -> Iterator[Document]:
    """The documents of files, globs or folders, in order. Raises DataError for bad input unless `reader` skips it."""
    report = CorpusReport() if report is None else report
    cleaner = Cleaner(config=cleaning)
    for source in find_sources([sources] if isinstance(sources, (str, Path)) else sources).files:
        for raw in reader.read(source, report):
            document = cleaner.clean(raw, report)
            if document is not None:
                found = tuple(sentence for line in document.lines for sentence in sentences.split(line))
                yield Document(doc_id=document.doc_id, sentences=found)
