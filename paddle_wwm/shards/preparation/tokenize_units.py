"""Pass 2 of preparing a corpus, per unit: drop duplicates, split sentences, segment, tokenize and write tokens."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Iterator, Sequence, cast

import numpy as np

from ...corpus.counts import CorpusReport
from ...corpus.dictionary_counts import CountingSegmenter, DictionarySegmenter, PhraseCounts
from ...corpus.documents import Document
from ...corpus.reading.intake import RawDocument
from ...corpus.segment import Segmenter, dictionary_of, make_segmenter
from ...files import atomic_write, write_json
from ...tokenization.tokenized import TokenizedDocument, tokenize_documents
from ...tokenization.vocab import load_vocab
from ...tokenization.wordpiece import WordPieceTokenizer
from ..records import write_records
from ..shard_format import token_bits
from ..writer import ShardFile, sections_of
from .duplicates import read_first_occurrences
from .read_sources import read_unit
from .work_plan import Plan, Unit

KEEP_DOCUMENTS, KEEP_LINES = "documents.keep", "lines.keep"


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Segmenter and tokenizer, made once per process."""

    segmenter: Segmenter
    tokenizer: WordPieceTokenizer


_tools: dict[Plan, Tools] = {}  # tools of this process for the last plan


def keep_tools(plan: Plan, tools: Tools) -> None:
    """Keep tools that this process has already made, for `tools_of`."""
    _tools.clear()
    _tools[plan] = tools


def tools_of(plan: Plan) -> Tools:
    """Return the tools for a plan; make them on the first call."""
    if plan not in _tools:
        tokenizer = WordPieceTokenizer(vocab=load_vocab(plan.vocab_path), do_lower_case=plan.config.do_lower_case)
        keep_tools(plan, Tools(segmenter=make_segmenter(plan.config.segmenter), tokenizer=tokenizer))
    return _tools[plan]


def tokenize_unit(plan: Plan, unit: Unit) -> int:
    """Tokenize a unit and return its number of characters."""
    mark = plan.tokens_path(unit, "json")
    if mark.exists():
        return unit.num_chars
    tools, report = tools_of(plan), CorpusReport()
    documents = [document for raw in _without_duplicates(plan, unit, report) for document in _split(plan, raw, report)]
    other_counts: Counter = Counter()
    segmenter, phrases = tools.segmenter, PhraseCounts()
    if dictionary_of(segmenter) is not None:
        segmenter = CountingSegmenter(cast(DictionarySegmenter, segmenter), counts=phrases)
    tokenized = tokenize_documents(documents, segmenter=segmenter, tokenizer=tools.tokenizer, report=other_counts)
    if other_counts.pop("sentences_without_tokens"):
        documents = list(_with_tokens(documents, tools.tokenizer, report))
    report.counts.update(other_counts)
    vocab = tools.tokenizer.vocab
    if tokenized:
        with atomic_write(plan.tokens_path(unit, "wwm")) as stream:
            file = ShardFile(stream, bits=token_bits(len(vocab)))
            file.append(sections_of(tokenized, vocab_size=len(vocab)))
            file.close()
    if plan.config.keep_text:
        write_records(plan.tokens_path(unit, "zst"), ([document.doc_id, document.sentences] for document in documents))
    counts = _counts(tokenized, unknown_id=vocab.unk_id)
    write_json(mark, {"counts": counts, "report": report.to_json(), "phrases": phrases.to_json()})
    return unit.num_chars


@dataclass(frozen=True, kw_only=True)
class UnitResult:
    """What `tokenize_unit` has counted.

    Attributes:
        phrases: Counts of the phrases of the user dictionary.
    """

    counts: Counter
    report: CorpusReport
    phrases: PhraseCounts


def unit_result(plan: Plan, unit: Unit) -> UnitResult:
    """Return what `tokenize_unit` has counted."""
    value: dict[str, Any] = json.loads(plan.tokens_path(unit, "json").read_text(encoding="utf-8"))
    return UnitResult(
        counts=Counter(value["counts"]),
        report=CorpusReport.from_json(value["report"]),
        phrases=PhraseCounts.from_json(value["phrases"]),
    )


def _without_duplicates(plan: Plan, unit: Unit, report: CorpusReport) -> Iterator[RawDocument]:
    documents = read_unit(plan, unit)
    rules = plan.config.cleaning.rules
    keep = np.ones(unit.num_documents, bool)
    keep_lines = np.ones(unit.num_lines, bool)
    if "duplicate_documents" in rules:
        keep = read_first_occurrences(plan.text_folder / KEEP_DOCUMENTS, unit.first_document, unit.num_documents)
    if "duplicate_lines" in rules:
        keep_lines = read_first_occurrences(plan.text_folder / KEEP_LINES, unit.first_line, unit.num_lines)
    first = 0
    for document, is_kept in zip(documents, keep):
        lines, first = keep_lines[first : first + len(document.lines)], first + len(document.lines)
        if not is_kept:
            removed = sum(map(len, document.lines))
            report.add("duplicate_documents", place=document.doc_id, text=document.lines[0], removed=removed)
            continue
        for line, line_is_kept in zip(document.lines, lines):
            if not line_is_kept:
                report.add("duplicate_lines", place=document.doc_id, text=line, removed=len(line))
        kept = tuple(line for line, line_is_kept in zip(document.lines, lines) if line_is_kept)
        if kept:
            yield RawDocument(doc_id=document.doc_id, lines=kept)
        else:
            report.add("empty_documents", place=document.doc_id, text=document.lines[0], removed=0)


def _split(plan: Plan, raw: RawDocument, report: CorpusReport) -> Iterator[Document]:
    rule = plan.config.sentences
    sentences: list[str] = []
    for line in raw.lines:
        found = rule.split(line)
        if len(line) > rule.max_chars and (
            num_cuts := len(found) - len(replace(rule, max_chars=len(line)).split(line))
        ):
            report.add("cut_sentences", place=raw.doc_id, text=line, removed=0, count=num_cuts)
        sentences.extend(found)
        kept = sum(map(len, found))
        report.characters["kept"] += kept
        report.characters["white_space"] += len(line) - kept
    if sentences:
        yield Document(doc_id=raw.doc_id, sentences=tuple(sentences))


def _with_tokens(
    documents: Sequence[Document], tokenizer: WordPieceTokenizer, report: CorpusReport
) -> Iterator[Document]:
    """Yield the documents without the sentences that have no token.

    The characters of these sentences are removed from the count of kept characters.
    """
    for document in documents:
        has_tokens = np.diff(tokenizer.encode(document.sentences).text_offsets) > 0
        for sentence, is_kept in zip(document.sentences, has_tokens):
            if not is_kept:
                report.characters["kept"] -= len(sentence)
                report.add("sentences_without_tokens", place=document.doc_id, text=sentence, removed=len(sentence))
        if has_tokens.any():
            yield replace(
                document,
                sentences=tuple(sentence for sentence, is_kept in zip(document.sentences, has_tokens) if is_kept),
            )


def _counts(documents: Sequence[TokenizedDocument], *, unknown_id: int) -> dict[str, int]:
    return {
        "documents": len(documents),
        "sentences": sum(len(document.sentence_offsets) - 1 for document in documents),
        "words": sum(int(np.count_nonzero(document.word_starts)) for document in documents),
        "tokens": sum(len(document.input_ids) for document in documents),
        "unknown": sum(int(np.count_nonzero(document.input_ids == unknown_id)) for document in documents),
    }
