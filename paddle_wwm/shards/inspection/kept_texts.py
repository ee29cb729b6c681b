"""Read the kept text of a shard set: document n is line n of the concatenated text files."""

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
    """Text of a document.

    Attributes:
        doc_id: "file:line" of the first sentence.
        sentences: The sentences that have tokens.
    """

    doc_id: str
    sentences: tuple[str, ...]


def read_texts(shards: ShardSet, *, documents: Iterable[int]) -> Iterator[KeptText]:
    """Yield the text of the given documents, whose numbers must rise.

    Files without any of these documents are not opened.

    Raises:
        DataError: A file is missing or damaged, or its number of lines differs from the manifest.
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
                        raise _damaged(path, f"has more than the {last - first:,} lines of the manifest")
                    if place == number:
                        yield _parsed(line, path, place - first + 1)
                        number = next(wanted, None)
                    if (number is None or number >= last) and place < last - 1:
                        break
            except FileNotFoundError:
                raise _damaged(path, "missing") from None
            except OSError as error:  # raised by pyarrow: truncated, or not Zstandard
                raise _damaged(path, str(error)) from None
            if number is not None and number < last:
                raise _damaged(path, f"must have {last - first:,} lines, but has fewer")
        first = last
    if number is not None:
        raise _damaged(
            shards.directory, f"the kept text has {first:,} documents, but the shards have {shards.num_documents:,}"
        )


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
