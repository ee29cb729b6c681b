"""The kept text of a shard set: document n of the set is line n of the text files, end to end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator

from ...errors import DataError
from ..reader import ShardSet
from ..records import record_lines


@dataclass(frozen=True, kw_only=True)
class KeptText:
    """The text of a document: "file:line" of its first sentence, and the sentences that have tokens."""

    doc_id: str
    sentences: tuple[str, ...]


def read_texts(shards: ShardSet, *, documents: Iterable[int]) -> Iterator[KeptText]:
    """The text of those documents, whose numbers must rise; the lines between are skipped, files without any
    of them are not opened.

    Raises DataError where a file is missing, damaged, or has not the lines that the manifest says.
    """
    wanted = iter(documents)
    number = next(wanted, None)
    first = 0
    for record in shards.manifest.texts:
        path, last = shards.directory / record.file, first + record.num_documents
        if number is None:
            return
        if number < last:
            try:
                for place, line in enumerate(record_lines(path), start=first):
                    if place >= last:
                        raise _damaged(path, f"has more than the {last - first:,} lines that the manifest says")
                    if place == number:
                        yield _parsed(line, path, place - first + 1)
                        number = next(wanted, None)
                    if (number is None or number >= last) and place < last - 1:
                        break
            except FileNotFoundError:
                raise _damaged(path, "missing") from None
            except OSError as error:  # pyarrow's own words: truncated, not Zstandard
                raise _damaged(path, str(error)) from None
            if number is not None and number < last:
                raise _damaged(path, f"must have {last - first:,} lines, but has fewer")
        first = last
    if number is not None:
        raise _damaged(shards.directory, f"the kept text has {first:,} documents, the shards {shards.num_documents:,}")


def _parsed(line: bytes, path: Path, number: int) -> KeptText:
    try:
        doc_id, sentences = json.loads(line)
        text = KeptText(doc_id=doc_id, sentences=tuple(sentences))
        if not isinstance(doc_id, str) or not all(isinstance(sentence, str) for sentence in text.sentences):
            raise ValueError
    except (ValueError, TypeError):
        raise _damaged(path, f'line {number} must be ["file:line", ["sentence", …]], but is not') from None
    return text


def _damaged(path: Path, what: str) -> DataError:
    return DataError(f"{path}: {what}; prepare the corpus again.")
