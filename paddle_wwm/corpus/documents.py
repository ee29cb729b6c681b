"""Read sources as documents of sentences, in one process, to build vocabularies and show samples.

The cleaning rules that need the whole corpus are not applied here. To write shards,
`paddle_wwm/shards/preparation/prepare.py` does the same in many processes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterable, Iterator

from .cleaning import Cleaner, CleaningConfig
from .counts import CorpusReport
from .readers import DocumentReader
from .sentences import SentenceRule
from .source_files import Sources, find_sources

SAMPLE_CORPUS = Path(__file__).resolve().parents[1] / "sample_data" / "sample_corpus.txt"  # installed with the package


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document of raw text. `doc_id` is "<file name>:<line of the first sentence>"."""

    doc_id: str
    sentences: tuple[str, ...]


def read_documents(
    sources: str | Path | Iterable[str | Path] | Sources,
    *,
    reader: DocumentReader = DocumentReader(),
    cleaning: CleaningConfig = CleaningConfig(),
    sentences: SentenceRule = SentenceRule(),
    report: CorpusReport | None = None,
) -> Iterator[Document]:
    """Yield the documents of files, globs or folders, in order.

    Args:
        sources: One name or several, or what `find_sources` has found.
        reader: How files are read, and what happens on bad input.
        cleaning: The cleaning rules.
        sentences: Where sentences end.
        report: Counts are added to this report.

    Raises:
        DataError: The input is bad, and `reader` does not skip bad input.
    """
    report = CorpusReport() if report is None else report
    cleaner = Cleaner(config=cleaning, sentences=sentences)
    if not isinstance(sources, Sources):
        names = [sources] if isinstance(sources, (str, Path)) else sources
        sources = find_sources(names, format=reader.form.format, encoding=reader.form.encoding)
    for source in sources.files:
        for raw in replace(reader, sentences=sentences).read(source, report):
            document = cleaner.clean(raw, report)
            if document is not None:
                found = tuple(sentence for line in document.lines for sentence in sentences.split(line))
                yield Document(doc_id=document.doc_id, sentences=found)
