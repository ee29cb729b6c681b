"""The summary that `paddle-wwm build-vocab` prints at its end."""

from __future__ import annotations

from typing import Iterator

from ...corpus.counts import printable
from ...tokenization.alphabet import VocabOptions
from ...tokenization.vocab import SPECIAL_TOKENS
from .corpus_vocab import CorpusVocab, Sample
from .prepared_summary import report_lines

MAX_SHOWN = 10


def vocab_summary(found: CorpusVocab, *, options: VocabOptions, sample: Sample | None, seconds: float) -> Iterator[str]:
    """Yield lines on the entries, on what was left out, and on the counted text."""
    built = found.built
    alphabet, size = built.alphabet, len(built.vocab)
    num_longer = size - len(SPECIAL_TOKENS) - len(alphabet.kept) - built.num_inside
    yield (
        f"  {len(SPECIAL_TOKENS)} special tokens, {len(alphabet.kept):,} characters, {built.num_inside:,} of them also "
        f"inside words (##), {num_longer:,} longer pieces"
    )
    if size < options.size:
        yield f"  fewer than {options.size:,}: no other piece occurs {options.min_frequency} times"
    yield f"  alphabet: {alphabet.coverage:.4%} of the {alphabet.num_occurrences:,} characters without white space"
    for option, characters in alphabet.left_out.items():
        shown = " ".join(printable(character) for character, _ in characters[:MAX_SHOWN])
        more = " …" if len(characters) > MAX_SHOWN else ""
        num_occurrences = sum(count for _, count in characters)
        yield (
            f"  left out by --{option}: {len(characters):,} characters, which occur {num_occurrences:,} times: "
            f"{shown}{more}"
        )
    if built.num_unknown_words:
        share = built.num_unknown_words / built.num_words
        yield f"  with them, {built.num_unknown_words:,} of {built.num_words:,} words become [UNK] ({share:.4%})"
    if built.repeats:
        shown = " ".join(map(printable, built.repeats[:MAX_SHOWN])) + (" …" if len(built.repeats) > MAX_SHOWN else "")
        yield f"  left out, because they repeat one digit or sign: {len(built.repeats):,} pieces: {shown}"
    counted = f"{found.num_documents:,} documents, {found.num_chars:,} characters"
    if sample is not None:
        counted = (
            f"a sample of {counted} from {found.num_documents_of_corpus:,} documents, {found.num_chars_of_corpus:,} "
            f"characters (seed {sample.seed})"
        )
    yield f"  read: {counted}, in {seconds:,.1f} s"
    yield from report_lines(found.report)
