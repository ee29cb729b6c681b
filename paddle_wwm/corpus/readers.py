"""Read sources as raw documents, in a stream.

Bad input raises an error that names the file and the line, or it is skipped and counted. Cleaning is done in
`cleaning.py`. Text without blank lines is cut into documents of at most `intake.MAX_DOCUMENT_CHARS`. A longer line (a
book on one line) is cut after the end of a sentence.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Callable, Generator, Iterator

from .counts import CorpusReport
from .formats import Format, Source
from .reading.csv_rows import read_csv
from .reading.doc_tags import read_doc_tags
from .reading.intake import Intake, RawDocument
from .reading.json_array import read_json_array
from .reading.json_lines import read_json_lines
from .reading.mediawiki import read_mediawiki
from .reading.options import OnError, TextForm
from .reading.table_rows import read_table
from .reading.text import read_text
from .sentences import SentenceRule

_READERS: dict[Format, Callable[[Intake], Iterator[RawDocument]]] = {
    Format.TEXT: read_text,
    Format.DOC_TAGS: read_doc_tags,
    Format.JSON_LINES: read_json_lines,
    Format.JSON: read_json_array,
    Format.CSV: read_csv,
    Format.TSV: read_csv,
    Format.PARQUET: read_table,
    Format.ARROW: read_table,
    Format.MEDIAWIKI: read_mediawiki,
}


@dataclass(frozen=True, kw_only=True)
class DocumentReader:
    """A reader of sources.

    form: how the text lies in the files.
    sentences: where a line that is too long may be cut.
    """

    on_error: OnError = OnError.FAIL
    form: TextForm = TextForm()
    sentences: SentenceRule = SentenceRule()

    def read(self, source: Source, report: CorpusReport) -> Iterator[RawDocument]:
        """Yield the documents of a source in order; count characters and bad input.

        Raises:
            DataError: The input is bad, and `on_error` is not SKIP.
        """
        yield from self._documents(self._intake(source, report))

    def read_sample(
        self, source: Source, report: CorpusReport, *, max_documents: int, max_chars: int
    ) -> tuple[list[RawDocument], float]:
        """Return the first documents of a source, and their share of the source.

        Args:
            source: The source.
            report: Counts are added to this report.
            max_documents: The largest number of documents.
            max_chars: No more documents are read after this number of characters.
        """
        intake = self._intake(source, report)
        documents: list[RawDocument] = []
        num_chars = 0
        found = self._documents(intake)
        for document in itertools.islice(found, max_documents):
            documents.append(document)
            num_chars += sum(map(len, document.lines))
            if num_chars >= max_chars:
                break
        share = intake.share_read() if num_chars >= max_chars or len(documents) == max_documents else 1.0
        found.close()
        return documents, share

    def _intake(self, source: Source, report: CorpusReport) -> Intake:
        return Intake(source=source, report=report, form=self.form, on_error=self.on_error, sentences=self.sentences)

    def _documents(self, intake: Intake) -> Generator[RawDocument, None, None]:
        source = intake.source
        if source.path.stat().st_size == 0:
            intake.empty()
        elif source.refusal:
            intake.bad("not_text", place=intake.place(), text=source.refusal, message=f"is {source.refusal}")
        else:
            yield from _READERS[source.format](intake)
