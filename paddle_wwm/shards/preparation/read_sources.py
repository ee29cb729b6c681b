"""Pass 1 of preparing a corpus, per batch: read and clean the documents, and write them in units with their hashes.

The whole text is read and checked before any text is segmented. So bad input is found in the first minutes, and the
amount of remaining work is known.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from ...corpus.counts import CorpusReport
from ...corpus.reading.intake import RawDocument
from ...files import atomic_write, write_json
from ..records import record_lines, write_records
from .work_plan import Batch, Plan, Unit

DOCUMENT_HASHES, LINE_HASHES = "documents.hash", "lines.hash"
HASH_BYTES = 8


@dataclass(kw_only=True)
class _Pending:
    """The unit that is being filled."""

    documents: list[RawDocument] = field(default_factory=list)
    num_lines: int = 0
    num_chars: int = 0


def read_batch(plan: Plan, batch: Batch) -> int:
    """Read and clean the sources of a batch, and return their number.

    Raises:
        DataError: The input is bad, and the plan does not skip bad input.
    """
    number, reader = batch.number, plan.config.reader()
    mark = plan.batch_path(number, "json")
    if mark.exists():
        return len(batch.sources)
    report, cleaner = CorpusReport(), plan.config.cleaner()
    units: list[Unit] = []
    pending = _Pending()
    hash_lines = "duplicate_lines" in plan.config.cleaning.rules
    with (
        atomic_write(plan.batch_path(number, DOCUMENT_HASHES)) as document_hashes,
        atomic_write(plan.batch_path(number, LINE_HASHES)) as line_hashes,
    ):
        for raw in (document for source in batch.sources for document in reader.read(source, report)):
            document = cleaner.clean(raw, report)
            if document is None:
                continue
            document_hashes.write(_hash("\n".join(document.lines)))
            if hash_lines:
                line_hashes.write(b"".join(map(_hash, document.lines)))
            pending.documents.append(document)
            pending.num_lines += len(document.lines)
            pending.num_chars += sum(map(len, document.lines))
            if pending.num_chars >= plan.unit_chars:
                units.append(_write_unit(plan, number, len(units), pending))
                pending = _Pending()
        if pending.documents:
            units.append(_write_unit(plan, number, len(units), pending))
    counts = [[unit.num_documents, unit.num_lines, unit.num_chars] for unit in units]
    write_json(mark, {"units": counts, "report": report.to_json()})
    return len(batch.sources)


def batch_result(plan: Plan, number: int) -> tuple[list[Unit], CorpusReport]:
    """Return the units and the report that `read_batch` has written."""
    value: dict[str, Any] = json.loads(plan.batch_path(number, "json").read_text(encoding="utf-8"))
    units = [
        Unit(batch=number, number=index, num_documents=documents, num_lines=lines, num_chars=chars)
        for index, (documents, lines, chars) in enumerate(value["units"])
    ]
    return units, CorpusReport.from_json(value["report"])


def _hash(text: str) -> bytes:
    """Return a 64-bit hash of a text.

    For 20 million different documents, the probability of any collision is 1 in 90,000.
    """
    return hashlib.blake2b(text.encode("utf-8"), digest_size=HASH_BYTES).digest()


def _write_unit(plan: Plan, batch: int, number: int, pending: _Pending) -> Unit:
    unit = Unit(
        batch=batch,
        number=number,
        num_documents=len(pending.documents),
        num_lines=pending.num_lines,
        num_chars=pending.num_chars,
    )
    write_records(plan.text_path(unit), ([document.doc_id, document.lines] for document in pending.documents))
    return unit


def read_unit(plan: Plan, unit: Unit) -> list[RawDocument]:
    """Return the cleaned documents of a unit."""
    records = map(json.loads, record_lines(plan.text_path(unit)))
    return [RawDocument(doc_id=doc_id, lines=tuple(lines)) for doc_id, lines in records]
