"""Verify a shard set: every checksum, every rule of the format, the counts, and the kept text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

from ...errors import DataError
from ...files import sha256_of_file
from ...progress import Progress, counted
from ...tokenization.vocab import Vocab
from ..manifest import MANIFEST_NAME, REMEDY, content_fingerprint, read_manifest
from ..reader import ShardSet
from ..shard_format import VOCAB_NAME
from .blocks import BlockReader
from .kept_texts import read_texts

COUNTS = ("num_documents", "num_sentences", "num_words", "num_tokens", "num_unknown_tokens")


@dataclass(frozen=True, kw_only=True)
class Verified:
    """Counts of the verified content."""

    num_files: int
    num_bytes: int
    num_documents: int
    num_tokens: int
    num_texts: int


def verify(directory: str | Path, *, progress: Callable[[Progress], None] | None = None) -> Verified:
    """Verify a whole shard set.

    Raises:
        DataError: The message names all files whose bytes differ, or the first file and document that break a rule.
    """
    num_files, num_bytes = _verify_checksums(Path(directory), progress=progress)
    shards, vocab = open_with_vocab(directory)  # the vocabulary has a checksum, too
    manifest = shards.manifest
    counts = dict.fromkeys(COUNTS, 0)
    texts = read_texts(shards, documents=range(shards.num_documents))
    with counted(progress, stage="structure", total=manifest.num_tokens, unit=" tokens") as checked:
        for block in BlockReader(shards).read():
            num_unknown = np.count_nonzero(block.ids == vocab.unk_id)
            found = (
                block.num_documents,
                len(block.sentence_offsets) - 1,
                block.word_starts.sum(),
                len(block.ids),
                num_unknown,
            )
            counts = {name: counts[name] + int(number) for name, number in zip(COUNTS, found)}
            if manifest.texts:
                for number, num_sentences in enumerate(block.num_sentences.tolist(), start=block.first_document):
                    _verify_text(directory, number, num_sentences=num_sentences, num_kept=len(next(texts).sentences))
            checked.update(len(block.ids))
    if manifest.texts:
        next(texts, None)  # raises if there is more text than documents
    stated = {name: getattr(manifest, name) for name in COUNTS}
    differing = [
        f"{name} {stated[name]:,} (shards: {number:,})" for name, number in counts.items() if stated[name] != number
    ]
    if differing:
        raise DataError(
            f"{directory}: the counts of the manifest must equal those of the shards, but differ: "
            f"{', '.join(differing)}; {REMEDY}."
        )
    return Verified(
        num_files=num_files + 1,
        num_bytes=num_bytes,
        num_documents=counts["num_documents"],
        num_tokens=counts["num_tokens"],
        num_texts=shards.num_documents if manifest.texts else 0,
    )


def _verify_text(directory: str | Path, number: int, *, num_sentences: int, num_kept: int) -> None:
    if num_kept != num_sentences:
        raise DataError(
            f"{directory}: the kept text of document {number} must have {num_sentences} sentences, but "
            f"has {num_kept}; {REMEDY}."
        )


def open_with_vocab(directory: str | Path) -> tuple[ShardSet, Vocab]:
    """Open a set and its vocabulary.

    Raises:
        DataError: They do not belong together.
    """
    shards = ShardSet(directory)
    vocab = shards.vocab()
    if len(vocab) != shards.manifest.vocab_size:
        size = shards.manifest.vocab_size
        raise DataError(
            f"{directory}: `vocab_size` must be {len(vocab):,} as in {VOCAB_NAME}, but is {size:,}; {REMEDY}."
        )
    return shards, vocab


def _verify_checksums(directory: Path, *, progress: Callable[[Progress], None] | None) -> tuple[int, int]:
    """Verify the checksums; return the number of files and their total bytes.

    Raises:
        DataError: The message names all damaged files, so that the user can copy them again.
    """
    manifest = read_manifest(directory)
    paths = [directory / record.file for record in manifest.files]
    sizes = [path.stat().st_size if path.exists() else 0 for path in paths]
    damaged = []
    with counted(progress, stage="checksums", total=sum(sizes), unit="B") as checked:
        for path, record, size in zip(paths, manifest.files, sizes):
            if not path.exists():
                damaged.append(f"{path}: missing")
            elif sha256_of_file(path) != record.sha256:
                damaged.append(f"{path}: its bytes differ from the manifest's checksum")
            checked.update(size)
    if damaged:
        raise DataError(f"{'; '.join(damaged)}; copy the shards again from a good copy, or {REMEDY}.")
    if manifest.fingerprint != content_fingerprint(vocab_sha256=manifest.vocab_sha256, shards=manifest.shards):
        raise DataError(
            f"{directory / MANIFEST_NAME}: its fingerprint must match its checksums, but does not; {REMEDY}."
        )
    return len(paths), sum(sizes)
