"""Raw text to a shard set, in one call: reused when nothing that matters has changed, the same bytes for any number of workers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Iterable, Sequence

from filelock import FileLock

from ..corpus.documents import check_sources, group_documents, read_documents
from ..corpus.segment import Segmenter, make_segmenter
from ..errors import DataError
from ..files import atomic_directory, remove_leftovers, sha256_of_file, write_json
from ..progress import progress_bar
from ..tokenization.vocab import Vocab
from ..tokenization.wordpiece import WordPieceTokenizer
from ..types import ShardManifest
from .format import FORMAT_VERSION, MANIFEST_NAME, VOCAB_NAME, read_manifest, shard_name
from .reader import ShardSet
from .units import tokenize_units
from .writer import ShardWriter

CHARS_PER_UNIT = 100_000


@dataclass(frozen=True, kw_only=True)
class PreparedCorpus:
    """Where the shards are, what they are, and whether they had been there already."""

    directory: Path
    manifest: ShardManifest
    reused: bool


def inputs_fingerprint(*, sources: Sequence[dict[str, Any]], vocab: Vocab, segmenter: Segmenter, tokenizer: WordPieceTokenizer) -> str:
    """sha256 of all that the content depends on. File names do not matter, file contents and their order do."""
    value = {
        "format_version": FORMAT_VERSION,
        "sources": [source["sha256"] for source in sources],
        "vocab": vocab.sha256,
        "segmenter": [segmenter.name, segmenter.model_sha256],
        "tokenizer": tokenizer.options,
    }
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def prepare_corpus(
    *,
    corpus: Iterable[str | Path],
    vocab: Vocab,
    segmenter_name: str = "lac",
    do_lower_case: bool = True,
    output: str | Path | None = None,
    cache: str | Path | None = None,
    num_workers: int | None = None,
    overwrite: bool = False,
    show_progress: bool = True,
) -> PreparedCorpus:
    """Prepare `corpus` into the folder `output`, or into a folder of `cache` named by the fingerprint (give one of the two).

    Shards that are there already with the same fingerprint are reused, or made again where they are damaged. A folder `output` that holds
    other shards is an error unless `overwrite`. Several processes may call this at once: one prepares, the others wait and reuse.
    """
    if (output is None) == (cache is None):
        raise ValueError("give either `output` or `cache`.")
    files = check_sources(corpus)
    sources = [{"name": path.name, "size": path.stat().st_size, "sha256": sha256_of_file(path)} for path in files]
    segmenter = make_segmenter(segmenter_name)
    tokenizer = WordPieceTokenizer(vocab=vocab, do_lower_case=do_lower_case)
    fingerprint = inputs_fingerprint(sources=sources, vocab=vocab, segmenter=segmenter, tokenizer=tokenizer)
    directory = Path(output) if output is not None else Path(cache) / fingerprint[:16]
    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(directory.parent / f".{directory.name}.lock"):
        if directory.exists():
            found = _manifest_in(directory)
            if found is None or found.inputs_fingerprint != fingerprint:
                _check_replaceable(directory, holds_shards=found is not None or (directory / shard_name(0)).exists(), overwrite=overwrite)
            elif _is_whole(directory):
                return PreparedCorpus(directory=directory, manifest=found, reused=True)
        remove_leftovers(directory)
        with atomic_directory(directory) as folder:
            manifest = _write_shards(
                folder,
                files=files,
                sources=sources,
                segmenter=segmenter,
                tokenizer=tokenizer,
                fingerprint=fingerprint,
                num_workers=num_workers or os.cpu_count() or 1,
                show_progress=show_progress,
            )
            if directory.exists():  # only now: what was there stays until the new shards are complete
                shutil.rmtree(directory)
    return PreparedCorpus(directory=directory, manifest=manifest, reused=False)


def _manifest_in(directory: Path) -> ShardManifest | None:
    try:
        return read_manifest(directory)
    except DataError:  # none, or of another version
        return None


def _is_whole(directory: Path) -> bool:
    try:
        ShardSet(directory).verify()
    except DataError:
        return False
    return True


def _check_replaceable(directory: Path, *, holds_shards: bool, overwrite: bool) -> None:
    if not any(directory.iterdir()):
        return
    if not holds_shards:
        raise DataError(f"{directory}: is not empty and holds no shards; name another folder (it is not overwritten).")
    if not overwrite:
        raise DataError(f"{directory}: holds shards of other data or options; name another folder, or add --overwrite to replace them.")


def _write_shards(
    folder: Path,
    *,
    files: Sequence[Path],
    sources: list[dict[str, Any]],
    segmenter: Segmenter,
    tokenizer: WordPieceTokenizer,
    fingerprint: str,
    num_workers: int,
    show_progress: bool,
) -> ShardManifest:
    vocab = tokenizer.vocab
    writer = ShardWriter(folder, vocab_size=len(vocab))
    report: Counter = Counter()
    counts: Counter = Counter()
    groups = group_documents(chain.from_iterable(map(read_documents, files)), max_chars=CHARS_PER_UNIT)
    started = time.monotonic()
    with progress_bar(desc="prepare", unit=" chars", unit_scale=True, disable=not show_progress, total=_estimate_chars(files)) as bar:
        for documents, num_chars, unit_report in tokenize_units(groups, segmenter=segmenter, tokenizer=tokenizer, num_workers=num_workers):
            for document in documents:
                writer.add(document)
                counts["documents"] += 1
                counts["sentences"] += len(document.sentence_offsets) - 1
                counts["words"] += int(document.word_starts.sum())
                counts["tokens"] += len(document.input_ids)
                counts["unknown"] += int((document.input_ids == vocab.unk_id).sum())
            report.update(unit_report)
            bar.update(num_chars)
        bar.total = bar.n
    writer.flush()
    if not counts["documents"]:
        raise DataError(f"{', '.join(map(str, files))}: no text was found.")
    vocab.save(folder / VOCAB_NAME)
    content = json.dumps([vocab.sha256, [shard["sha256"] for shard in writer.shards]])
    manifest = ShardManifest(
        format_version=FORMAT_VERSION,
        num_documents=counts["documents"],
        num_sentences=counts["sentences"],
        num_words=counts["words"],
        num_tokens=counts["tokens"],
        num_unknown_tokens=counts["unknown"],
        vocab_size=len(vocab),
        vocab_sha256=vocab.sha256,
        segmenter={"name": segmenter.name, "model_sha256": segmenter.model_sha256},
        tokenizer=tokenizer.options,
        sources=tuple(sources),
        report=dict(sorted(report.items())),
        shards=tuple(writer.shards),
        inputs_fingerprint=fingerprint,
        fingerprint=hashlib.sha256(content.encode()).hexdigest(),
    )
    write_json(folder / MANIFEST_NAME, dataclasses.asdict(manifest))
    if show_progress:
        print(f"prepared {counts['documents']:,} documents, {counts['tokens']:,} tokens in {time.monotonic() - started:.1f} s")
    return manifest


def _estimate_chars(files: Sequence[Path]) -> int:
    # three bytes a Chinese character: good enough for a progress bar's ETA
    return sum(path.stat().st_size for path in files) // 3
