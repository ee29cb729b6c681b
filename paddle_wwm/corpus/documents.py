"""Text files to documents of sentences: one sentence or paragraph a line, a blank line between documents; streaming."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterable, Iterator, Sequence

from ..errors import DataError
from ..types import Document

# Sentences end at 。！？ (the authors' rule); quotes and brackets that close after the end stay with their sentence.
_SENTENCE = re.compile(r"[^。！？]*[。！？]+[”’」』）】》〉\"')\]]*|[^。！？]+")


def split_sentences(line: str) -> list[str]:
    """The sentences of a line, without surrounding white space; concatenated they give the line back, white space aside."""
    return [sentence for match in _SENTENCE.finditer(line) if (sentence := match.group().strip())]


def read_documents(path: str | Path) -> Iterator[Document]:
    """The documents of one UTF-8 text file, in order.

    Raises DataError naming the file, and the line where the bytes are no UTF-8.
    """
    path = Path(path)
    sentences: list[str] = []
    first_line = 0
    with open(path, "rb") as stream:
        for number, raw in enumerate(stream, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}, line {number}: not UTF-8 (byte {error.start} of the line); convert the file first, "
                    f"for example: iconv -f GB18030 -t UTF-8 {path.name} > {path.stem}.utf8.txt"
                ) from None
            found = split_sentences(line)
            if found:
                first_line = first_line or number
                sentences.extend(found)
            elif sentences:
                yield Document(doc_id=f"{path.name}:{first_line}", sentences=tuple(sentences))
                sentences, first_line = [], 0
    if sentences:
        yield Document(doc_id=f"{path.name}:{first_line}", sentences=tuple(sentences))


def check_sources(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    """The source files as paths. Raises DataError for a missing, empty or unreadable one, before any work is done."""
    sources = tuple(Path(path) for path in paths)
    if not sources:
        raise DataError("no corpus files were given; name at least one text file.")
    for source in sources:
        if not source.exists():
            raise DataError(f"{source}: no such file.")
        if source.is_dir():
            raise DataError(f"{source}: is a folder, not a text file; name its files, for example {source}/*.txt.")
        if source.stat().st_size == 0:
            raise DataError(f"{source}: the file is empty.")
    return sources


def group_documents(documents: Iterable[Document], *, max_chars: int) -> Iterator[Sequence[Document]]:
    """Consecutive documents in groups of about `max_chars` characters: the unit of work of one worker."""
    group: list[Document] = []
    num_chars = 0
    for document in documents:
        group.append(document)
        num_chars += sum(map(len, document.sentences))
        if num_chars >= max_chars:
            yield group
            group, num_chars = [], 0
    if group:
        yield group
