"""Format a shard set as lines of text: its manifest, statistics, samples with words, and differences between two sets.

Nothing here prints; the functions return or yield lines.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import chain
from typing import Iterator, Sequence

import numpy as np

from ...corpus.counts import CorpusReport, printable
from ...errors import DataError
from ...tokenization.pieces import join_words
from ...tokenization.vocab import Vocab
from ..manifest import ShardManifest
from ..preparation.merge_units import REPORT_NAME
from ..preparation.prepared_summary import dictionary_lines, report_lines
from ..reader import ShardSet
from .compare import Agreement, Comparison
from .kept_texts import read_texts
from .statistics import Distribution, Statistics
from .verify_shards import COUNTS

MAX_SOURCES_SHOWN = 5
MAX_SENTENCES_SHOWN = 4
MAX_CHARS_SHOWN = 300
PERCENTILES = (0, 5, 25, 50, 75, 95, 99, 100)
MAX_WORD_CHARS_SHOWN = 5
LABEL_WIDTH = 12


def manifest_lines(shards: ShardSet) -> Iterator[str]:
    """Yield lines on how the set was made, and on dropped and changed text."""
    manifest = shards.manifest
    yield (
        f"{shards.directory}: {len(manifest.shards):,} shard(s), format {manifest.format_version}, fingerprint "
        f"{manifest.fingerprint[:16]}"
    )
    size = sum(source.size for source in manifest.sources)
    yield _labelled("sources", f"{len(manifest.sources):,} file(s), {size / 1e6:,.1f} MB")
    for source in manifest.sources[:MAX_SOURCES_SHOWN]:
        yield _labelled("", f"{printable(source.name)}  {source.format}  {source.size / 1e6:,.1f} MB")
    if len(manifest.sources) > MAX_SOURCES_SHOWN:
        yield _labelled("", f"… and {len(manifest.sources) - MAX_SOURCES_SHOWN:,} more files")
    yield _labelled("segmenter", f"{manifest.segmenter.name[:24]} {manifest.segmenter.model_sha256[:24]}")
    yield _labelled("tokenizer", ", ".join(f"{name} {value}" for name, value in asdict(manifest.tokenizer).items()))
    yield _labelled("vocabulary", f"{manifest.vocab_size:,} entries, {manifest.vocab_sha256[:16]}")
    for place, (name, value) in enumerate(_flat(asdict(manifest.options))):
        yield _labelled("" if place else "options", f"{name} {value}")
    yield _labelled(
        "kept text",
        f"{len(manifest.texts):,} file(s)" if manifest.texts else "none (paddle-wwm prepare-corpus --text keeps it)",
    )
    report = read_report(shards)
    yield from dictionary_lines(report)
    changes = report_lines(report)
    yield "dropped or changed text:" if changes else "nothing was dropped or changed"
    yield from changes


def read_report(shards: ShardSet) -> CorpusReport:
    """Read the counts and their samples; without samples if report.json is missing.

    Raises:
        DataError: report.json is damaged.
    """
    path = shards.directory / REPORT_NAME
    try:
        return CorpusReport.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return CorpusReport.from_json({"counts": shards.manifest.report, "characters": {}, "samples": {}})
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a report of paddle-wwm prepare-corpus ({error}); delete it or prepare the corpus again."
        ) from None


def statistics_lines(statistics: Statistics, *, vocab_size: int) -> Iterator[str]:
    """Yield counts, a table of the distributions, and the lengths of words."""
    it = statistics
    yield (
        f"{it.num_documents:,} documents, {it.num_sentences:,} sentences, {it.num_words:,} words, "
        f"{it.num_tokens:,} tokens"
    )
    yield _labelled("[UNK]", f"{it.num_unknown_tokens:,} tokens, {it.num_unknown_tokens / it.num_tokens:.2%}")
    yield _labelled(
        "on disk", f"{it.num_shard_bytes / 1e6:,.1f} MB, {it.num_shard_bytes / it.num_tokens:.3f} bytes/token"
    )
    yield _labelled(
        "vocabulary", f"{it.num_used_entries:,} of {vocab_size:,} entries occur, {it.num_used_entries / vocab_size:.1%}"
    )
    yield ""
    headings = ["mean", "min", *(f"{percent}%" for percent in PERCENTILES[1:-1]), "max"]
    yield " " * 24 + "".join(f"{heading:>10}" for heading in headings)
    for name, distribution in (
        ("sentences per document", it.sentences_per_document),
        ("tokens per document", it.tokens_per_document),
        ("tokens per sentence", it.tokens_per_sentence),
        ("words per sentence", it.words_per_sentence),
        ("pieces per word", it.pieces_per_word),
        ("characters per word", it.chars_per_word),
    ):
        values = (f"{distribution.percentile(percent):,}" for percent in PERCENTILES)
        yield f"  {name:<22}{distribution.mean:>10,.2f}" + "".join(f"{value:>10}" for value in values)
    yield ""
    yield "words by number of characters ([UNK] counts as one): " + ", ".join(_shares(it.chars_per_word))
    yield f"tokens in words of several pieces: {it.num_tokens_of_long_words / it.num_tokens:.1%}"
    longest, size = printable(it.longest_word[:MAX_CHARS_SHOWN]), it.chars_per_word.percentile(100)
    yield f"longest word: {longest} ({size:,} characters, document {it.longest_word_document})"


def _shares(chars_per_word: Distribution) -> Iterator[str]:
    rest = 1.0
    for num_chars in range(1, MAX_WORD_CHARS_SHOWN):
        share = chars_per_word.share(num_chars)
        rest -= share
        yield f"{num_chars}: {share:.1%}"
    yield f"{MAX_WORD_CHARS_SHOWN} or more: {max(rest, 0.0):.1%}"


def sample_numbers(num_samples: int, *, documents: range, seed: int) -> list[int]:
    """Draw `num_samples` different documents of the range, or all, and sort them."""
    chosen = np.random.default_rng(seed).choice(len(documents), size=min(num_samples, len(documents)), replace=False)
    return sorted(documents[int(place)] for place in chosen)


def sample_lines(shards: ShardSet, *, vocab: Vocab, documents: Sequence[int]) -> Iterator[str]:
    """Yield the first sentences of the given documents, with "|" between words.

    The kept text follows each sentence. Document numbers must rise.
    """
    texts = read_texts(shards, documents=documents) if shards.manifest.texts else None
    for number in documents:
        text = next(texts) if texts else None
        sentences = document_words(shards, vocab=vocab, document=number)
        origin = f" ({printable(text.doc_id)})" if text else ""
        yield f"document {number}{origin}: {len(sentences):,} sentences"
        for place, words in enumerate(sentences[:MAX_SENTENCES_SHOWN]):
            yield _labelled("words", _shown(words))
            if text:
                yield _labelled("text", _shown(text.sentences[place]))
        if len(sentences) > MAX_SENTENCES_SHOWN:
            yield _labelled("", f"… and {len(sentences) - MAX_SENTENCES_SHOWN:,} more sentences")
        yield ""


def document_words(shards: ShardSet, *, vocab: Vocab, document: int) -> list[str]:
    """Return the sentences of a document as 使用|语言|模型."""
    _, found = shards.document(document)
    pieces = np.array(vocab.tokens, object)[found.input_ids]
    offsets = found.sentence_offsets.tolist()
    return [
        "|".join(join_words(pieces[start:end], found.word_starts[start:end].tolist()))
        for start, end in zip(offsets, offsets[1:])
    ]


def _origin_lines(here: ShardManifest, there: ShardManifest) -> Iterator[str]:
    """Yield a line for each difference in how two sets were made."""
    for name in ("segmenter", "tokenizer", "options"):
        values = dict(_flat(asdict(getattr(here, name)))), dict(_flat(asdict(getattr(there, name))))
        for key in dict.fromkeys(chain(*values)):
            mine, other = (side.get(key, "not given") for side in values)
            if mine != other:
                yield _labelled(name, f"{key}: {mine} here, {other} there")
    sums, others = ([source.sha256 for source in manifest.sources] for manifest in (here, there))
    if sums != others:
        order = ", in another order" if sorted(sums) == sorted(others) else ""
        yield _labelled(
            "sources",
            f"{len(sums):,} file(s) here, {len(others):,} there, {len(set(sums) & set(others)):,} in both{order}",
        )


def comparison_lines(
    here: ShardSet, there: ShardSet, *, here_vocab: Vocab, there_vocab: Vocab, comparison: Comparison
) -> Iterator[str]:
    """Yield the differences between two sets; the last line is the result.

    The lines compare how the sets were made, their counts, documents and words, and show the first difference as text.
    """
    it = comparison
    yield _labelled("here", str(here.directory))
    yield _labelled("there", str(there.directory))
    yield from _origin_lines(here.manifest, there.manifest)
    if here_vocab.sha256 != there_vocab.sha256:
        entries = (
            f"{len(here_vocab):,} entries here, {len(there_vocab):,} there, {it.num_shared_entries:,} in both "
            f"(pieces are compared as text)"
        )
        yield _labelled("vocabulary", entries)
    yield ""
    yield f"  {'':<16}{'here':>16}{'there':>16}{'difference':>16}"
    for name in COUNTS:
        mine, other = getattr(here.manifest, name), getattr(there.manifest, name)
        label = name.removeprefix("num_").replace("_", " ")
        yield f"  {label:<16}{mine:>16,}{other:>16,}{other - mine:>+16,}"
    yield ""
    yield (
        f"  documents: {it.num_identical:,} identical, {it.num_other_words:,} with other words, "
        f"{it.num_other_sentences:,} with other sentences,"
    )
    yield (
        f"  {it.num_only_here:,} here only, {it.num_only_there:,} there only (a document with other tokens counts "
        f"on both sides)"
    )
    if it.num_other_words or it.num_other_sentences:
        yield from _agreement_lines(it.agreement)
    if it.first_difference:
        yield ""
        yield from _difference_lines(
            here, there, here_vocab=here_vocab, there_vocab=there_vocab, numbers=it.first_difference
        )
    yield ""
    if not it.is_identical:
        yield "different" if it.in_order else "different (the documents in both are in another order)"
    elif here_vocab.sha256 != there_vocab.sha256:
        yield "identical documents in the same order, with other ids: the vocabularies differ"
    else:
        yield "identical: the same documents in the same order"


def _agreement_lines(agreement: Agreement) -> Iterator[str]:
    it = agreement
    yield ""
    yield (
        f"  words over the {it.num_tokens:,} tokens of the documents in both; precision: share of those here; "
        f"recall: share of those there"
    )
    agreed = it.num_tokens_where_agreed
    yield (
        f"  tokens that start a word in both or in neither: {agreed:,}, {agreed / it.num_tokens:.2%}; "
        f"{it.num_tokens - agreed:,} differ"
    )
    rows = (
        ("word starts", it.num_boundaries_here, it.num_boundaries_there, it.num_boundaries_in_both),
        ("whole words", it.num_words_here, it.num_words_there, it.num_words_in_both),
    )
    yield f"  {'':<16}{'here':>16}{'there':>16}{'in both':>16}{'precision':>12}{'recall':>12}{'F1':>12}"
    for name, mine, other, both in rows:
        shares = (both / max(mine, 1), both / max(other, 1), 2 * both / max(mine + other, 1))
        yield f"  {name:<16}{mine:>16,}{other:>16,}{both:>16,}" + "".join(f"{share:>12.2%}" for share in shares)
    yield "  (word starts: only those within sentences)"


def _difference_lines(
    here: ShardSet, there: ShardSet, *, here_vocab: Vocab, there_vocab: Vocab, numbers: tuple[int | None, int | None]
) -> Iterator[str]:
    """Yield the first sentence in which two documents differ.

    If a document exists on one side only, yield its first sentence.
    """
    sides = [
        [] if number is None else document_words(shards, vocab=vocab, document=number)
        for shards, vocab, number in zip((here, there), (here_vocab, there_vocab), numbers)
    ]
    place = next((place for place, (mine, other) in enumerate(zip(*sides)) if mine != other), min(map(len, sides)))
    yield f"  first difference, sentence {place}:"
    for name, words, number in zip(("here", "there"), sides, numbers):
        shown = _shown(words[place]) if place < len(words) else "(no such sentence)"
        yield _labelled(name, "(no such document)" if number is None else f"document {number}: {shown}")


def _flat(values: dict, prefix: str = "") -> list[tuple[str, str]]:
    """Flatten nested options to pairs of a dotted name and a value as text."""
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append(
                (f"{prefix}{name}", " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))
            )
    return rows


def _shown(text: str) -> str:
    more = len(text) - MAX_CHARS_SHOWN
    return printable(text[:MAX_CHARS_SHOWN]) + (f"… and {more:,} more characters" if more > 0 else "")


def _labelled(label: str, text: str) -> str:
    return f"  {label:<{LABEL_WIDTH}}{text}".rstrip()
