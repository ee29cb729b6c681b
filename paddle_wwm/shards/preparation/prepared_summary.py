"""The summary that `paddle-wwm prepare-corpus` prints at its end."""

from __future__ import annotations

from ...corpus.cleaning import RULES
from ...corpus.counts import CorpusReport
from ...corpus.dictionary_counts import ABSENT, APPLIED, FOUND, OVERRULED, PHRASES
from ...corpus.reading.options import BAD_INPUT, LEFT_OUT
from ...corpus.user_dictionary import NO_EFFECT, REPLACED
from .merge_units import REPORT_NAME
from .prepare import PreparedCorpus

MAX_SAMPLES_SHOWN = 2
_OF_DICTIONARY = {
    ABSENT: "phrases that are not in the corpus",
    OVERRULED: "phrases that never became the words of the dictionary",
    NO_EFFECT: "lines without effect",
    REPLACED: "lines replaced by a later line",
}


def summary(prepared: PreparedCorpus, *, seconds: float) -> str:
    """Return the summary: counts, dropped and changed text with samples, output paths."""
    manifest, report = prepared.manifest, prepared.report
    num_chars = report.characters["kept"]
    lines = [
        f"{'reused' if prepared.reused else 'written'}: {prepared.directory}",
        f"  {manifest.num_documents:,} documents, {manifest.num_sentences:,} sentences",
        f"  {manifest.num_words:,} words, {manifest.num_tokens:,} tokens of {num_chars:,} characters",
        (
            f"  {manifest.num_unknown_tokens / manifest.num_tokens:.2%} of the tokens are [UNK]; vocabulary "
            f"{manifest.vocab_size:,}"
        ),
    ]
    if prepared.made_by:
        lines.append(
            f"  by {'; '.join(prepared.made_by)}, in {seconds:,.1f} s ({num_chars / seconds:,.0f} characters/s)"
        )
    lines += dictionary_lines(report)
    lines += report_lines(report)
    lines.append(f"  more samples: {prepared.directory / REPORT_NAME}")
    lines.append(f"  fingerprint {manifest.fingerprint}")
    return "\n".join(lines)


def dictionary_lines(report: CorpusReport) -> list[str]:
    """Return lines on the phrases of the user dictionary; empty without one."""
    counts = report.counts
    if not (counts[PHRASES] or counts[NO_EFFECT]):
        return []
    num_found = counts[PHRASES] - counts[ABSENT]
    lines = [
        f"  dictionary: {counts[PHRASES]:,} phrases; {num_found:,} occur in the corpus ({counts[FOUND]:,} times), "
        f"{num_found - counts[OVERRULED]:,} as the words of the dictionary ({counts[APPLIED]:,} times)"
    ]
    for rule, what in _OF_DICTIONARY.items():
        if counts[rule]:
            lines.append(f"    {counts[rule]:,} {what}")
            lines += _samples(report, rule)
    return lines


def report_lines(report: CorpusReport) -> list[str]:
    """Return one line per rule, with its first samples below it."""
    lines = []
    for rule, count in sorted(report.counts.items()):
        if not count or rule in (PHRASES, FOUND, APPLIED, *_OF_DICTIONARY):
            continue
        unit = RULES[rule].unit if rule in RULES else "skipped" if rule in BAD_INPUT else LEFT_OUT.get(rule, "")
        removed = report.characters[rule]
        characters = f" ({removed:,} characters)" if removed else ""
        lines.append(f"  {rule.replace('_', ' ')}: {count:,} {unit}{characters}".rstrip())
        lines += _samples(report, rule)
    return lines


def _samples(report: CorpusReport, rule: str) -> list[str]:
    return [f"      {sample}" for sample in report.samples.get(rule, [])[:MAX_SAMPLES_SHOWN]]
