"""Any bytes at all as a corpus: no crash, every character accounted for, and shards that hold exactly what was kept.

PADDLE_WWM_FUZZ_CASES sets how many cases there are (`make soak` takes many more), PADDLE_WWM_FUZZ_SEED which ones.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddle_wwm.corpus.cleaning import RULES, CleaningConfig
from paddle_wwm.corpus.readers import OnError
from paddle_wwm.corpus.segment import SegmenterConfig, make_segmenter
from paddle_wwm.corpus.sentences import SentenceRule
from paddle_wwm.errors import DataError
from paddle_wwm.shards.inspection.kept_texts import read_texts
from paddle_wwm.shards.preparation import duplicates, prepare, tokenize_units
from paddle_wwm.shards.preparation.engines import EngineConfig
from paddle_wwm.shards.preparation.merge_units import NothingLeftError
from paddle_wwm.shards.preparation.prepare import prepare_corpus
from paddle_wwm.shards.preparation.work_plan import PrepareConfig
from paddle_wwm.shards.reader import ShardSet
from paddle_wwm.tokenization.library import LibraryTokenizer
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

from ..corpus.conftest import compress, parquet_bytes
from ..tokenization.builders import hard_texts

NUM_CASES = int(os.environ.get("PADDLE_WWM_FUZZ_CASES", "2000"))
SEED = int(os.environ.get("PADDLE_WWM_FUZZ_SEED", "0"))
NUM_MADE = NUM_CASES // 10  # by hypothesis; the others are real text, damaged
MAX_CHARS = 400
# what real text rarely has and real files do
INSERTIONS = (
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\r",
        b"\r\n\r\n",
        b"\n\n",
        b"\xed\xa0\x80",
        b"\xe2\x80\xa8",
        b"\xe2\x80\x8b",
        b"\x1c",
        b"\x85",
    ),
    *(
        b'"',
        b"}",
        b"{",
        b"\\ud800",
        b"\\",
        b'{"text": null}',
        b"[MASK]",
        b"[UNK]",
        "．".encode(),
        "…”。".encode(),
        b"e\xcc\x81",
        b"\xf0\x9f\x91\x8d",
    ),
)
vocabs = {}  # by checksum: what the functions below remember


@dataclass(frozen=True, kw_only=True)
class Case:
    """Files (name, bytes) and how they are prepared."""

    files: tuple[tuple[str, bytes], ...]
    config: PrepareConfig
    unit_chars: int
    hashes_at_once: int


@cache
def segmenter_of(config):
    return make_segmenter(config)


@cache
def tokenizer_of(vocab_sha256, do_lower_case):
    return WordPieceTokenizer(vocab=vocabs[vocab_sha256], do_lower_case=do_lower_case)


@cache
def library_of(vocab_sha256, do_lower_case):
    return LibraryTokenizer(vocab=vocabs[vocab_sha256], do_lower_case=do_lower_case)


@pytest.fixture(scope="module")
def vocab(mini_vocab):
    vocabs[mini_vocab.sha256] = mini_vocab
    return mini_vocab


@pytest.fixture(scope="module")
def real_text(sample_corpus):
    """Documents of real text, as bytes."""
    text = sample_corpus.read_text(encoding="utf-8")
    if os.environ.get("PADDLE_WWM_DATA"):
        for path in sorted(Path(os.environ["PADDLE_WWM_DATA"]).glob("corpus/*.txt")):
            with open(path, encoding="utf-8") as stream:
                text += stream.read(200_000) + "\n\n"
    return [document for document in text.split("\n\n") if document.strip()]


@pytest.fixture(scope="module", autouse=True)
def cheap_steps():
    """One segmenter and one tokenizer for all cases, and nothing is flushed to the disk: no power fails here."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (prepare, tokenize_units):
            patch.setattr(module, "make_segmenter", segmenter_of)
            patch.setattr(
                module, "WordPieceTokenizer", lambda *, vocab, do_lower_case: tokenizer_of(vocab.sha256, do_lower_case)
            )
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


def mutated(data, draw):
    """Bytes flipped, inserted, cut out, doubled, or cut short."""
    data = bytearray(data)
    for _ in range(draw.choice((0, 1, 1, 2, 5, 20))):
        place, size = draw.randrange(len(data) + 1), draw.choice((1, 1, 2, 3, 8, 100))
        match draw.randrange(6):
            case 0:
                data[place : place + 1] = bytes([draw.randrange(256)])
            case 1:
                data[place:place] = draw.choice(INSERTIONS)
            case 2:
                del data[place : place + size]
            case 3:
                data[place:place] = data[place : place + size] * draw.choice((1, 3))
            case 4:
                data[place:place] = "".join(map(chr, (draw.randrange(0xD800) for _ in range(3)))).encode()
            case 5 if draw.random() < 0.2:
                del data[place:]
    return bytes(data)


def encoded(texts, ending):
    """Documents as a file of that ending."""
    if "jsonl" in ending:
        data = "".join(json.dumps({"text": text}, ensure_ascii="ascii" in ending) + "\n" for text in texts).encode(
            "utf-8", "surrogatepass"
        )
    elif "parquet" in ending:
        data = parquet_bytes(text=[text.encode("utf-8", "replace").decode() for text in texts])
    else:
        data = "\n\n".join(texts).encode("utf-8", "surrogatepass")
    return data


def config_of(draw, *, segmenter):
    rules = tuple(name for name in RULES if name != "simplified" and draw.random() < 0.6)
    return PrepareConfig(
        segmenter=SegmenterConfig(name=segmenter),
        do_lower_case=draw.random() < 0.7,
        sentences=SentenceRule(
            ends=draw.choice(("。！？", "。！？；…")),
            english=draw.random() < 0.3,
            max_chars=draw.choice((10_000, 10_000, 20, 1)),
        ),
        cleaning=CleaningConfig(
            rules=rules, max_line_chars=draw.choice((1_000_000, 50)), min_document_chars=draw.choice((1, 2, 10))
        ),
        on_error=draw.choice((OnError.SKIP, OnError.SKIP, OnError.SKIP, OnError.FAIL)),
        keep_text=True,
    )


def case_of(texts_of_files, draw, *, segmenter):
    files = []
    for number, texts in enumerate(texts_of_files):
        ending = draw.choice((".txt",) * 4 + (".jsonl", ".ascii.jsonl", ".parquet"))
        compression = draw.choice(("",) * 6 + (".gz", ".xz", ".zst"))
        texts = [
            text + "\ud83d" if draw.random() < 0.05 else text for text in texts
        ]  # half an emoji, as cut strings of JavaScript have it
        data = compress(mutated(encoded(texts, ending), draw), compression)
        # one in three is damaged as it lies on the disk
        files.append((f"{number}{ending}{compression}", mutated(data, draw) if draw.random() < 0.3 else data))
    return Case(
        files=tuple(files),
        config=config_of(draw, segmenter=segmenter),
        unit_chars=draw.choice((1, 100, 500_000, 500_000)),
        hashes_at_once=draw.choice((1, 4_000_000, 4_000_000)),
    )


def check(case, folder, vocab):
    """Prepare a case and check all that must hold of any. Returns the report, or None where there was an error that a
    user can mend.
    """
    for name, data in case.files:
        (folder / name).write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "HASHES_AT_ONCE", case.hashes_at_once)
        try:
            prepared = prepare_corpus(
                corpus=[folder / name for name, _ in case.files],
                vocab=vocab,
                config=case.config,
                engine=EngineConfig(num_workers=1, unit_chars=case.unit_chars),
                output=folder / "set",
            )
        except DataError as error:
            # bad input where it is not to be skipped, or nothing left of it
            assert isinstance(error, NothingLeftError) or (
                case.config.on_error is OnError.FAIL and "--on-error skip" in str(error)
            ), error
            assert not (folder / "set").exists()
            return None
    characters = prepared.report.characters
    assert characters["read"] == sum(count for rule, count in characters.items() if rule != "read"), characters
    shards = ShardSet(prepared.directory)
    shards.verify()
    texts = list(read_texts(shards, documents=range(shards.num_documents)))
    sentences = [sentence for text in texts for sentence in text.sentences]
    assert (len(texts), len(sentences)) == (prepared.manifest.num_documents, prepared.manifest.num_sentences)
    assert characters["kept"] == sum(map(len, sentences))
    documents = [shards.document(number)[1] for number in range(shards.num_documents)]
    pieces = library_of(vocab.sha256, case.config.do_lower_case).encode(sentences)
    assert np.array_equal(np.concatenate([document.input_ids for document in documents]), pieces.ids)
    lengths = np.concatenate([np.diff(document.sentence_offsets) for document in documents])
    assert np.array_equal(lengths, np.diff(pieces.text_offsets))
    check_word_starts(
        np.concatenate([document.word_starts for document in documents]),
        pieces,
        sentences,
        segmenter_of(case.config.segmenter),
    )
    return prepared.report


def check_word_starts(found, pieces, sentences, segmenter):
    """A piece that starts a word has a boundary of the segmenter in it or in the gap before it; a sentence's first
    piece always does.
    """
    boundaries = np.flatnonzero(segmenter.word_starts(sentences))
    ends_before = np.concatenate([[0], pieces.ends[:-1]])
    has_boundary = np.searchsorted(boundaries, np.maximum(pieces.starts, ends_before), side="right") > np.searchsorted(
        boundaries, ends_before
    )
    first = np.zeros(len(pieces), bool)
    first[pieces.text_offsets[:-1]] = True
    falls = np.diff(pieces.starts, prepend=0) < 0
    if not falls.any():  # where offsets fall, a sentence falls back to pieces
        assert np.array_equal(found, has_boundary | first)
    assert found[first].all()


def run_cases(num_cases, real_text, tmp_path_factory, vocab, *, segmenters, seed):
    """How many of the cases ended with shards, and how often every rule was applied."""
    num_prepared, counts = 0, {}
    for number in range(num_cases):
        draw = random.Random(f"{seed} {number}")
        texts_of_files = []
        for _ in range(draw.choice((1, 1, 1, 1, 1, 2))):
            texts = [draw.choice(real_text) for _ in range(draw.choice((1, 2, 4)))]
            first = [draw.randrange(max(1, len(text) - MAX_CHARS // len(texts))) for text in texts]
            texts_of_files.append([text[begin : begin + MAX_CHARS // len(texts)] for text, begin in zip(texts, first)])
        if draw.random() < 0.2:
            texts_of_files.append(texts_of_files[0])
        case = case_of(texts_of_files, draw, segmenter=draw.choice(segmenters))
        folder = tmp_path_factory.mktemp("case")
        try:
            report = check(case, folder, vocab)
        except BaseException as error:
            raise AssertionError(f"case {number} of seed {seed}, whose files are in {folder}: {case.config}") from error
        shutil.rmtree(folder)
        num_prepared += report is not None
        for rule, count in (report.counts if report else {}).items():
            counts[rule] = counts.get(rule, 0) + count
    return num_prepared, counts


@pytest.mark.slow
def test_damaged_real_text_never_crashes_and_all_characters_are_counted(real_text, tmp_path_factory, vocab):
    num_cases = NUM_CASES - NUM_MADE
    num_prepared, counts = run_cases(
        num_cases, real_text, tmp_path_factory, vocab, segmenters=["none"] * 6 + ["whitespace"] * 3 + ["lac"], seed=SEED
    )
    # the cases are worth something: most end with shards, and every rule has work
    assert num_prepared > num_cases / 2
    if num_cases >= 1000:
        expected = {name for name in RULES if name != "simplified"} | {
            "invalid_utf8",
            "broken_files",
            "bad_records",
            "lone_surrogates",
        }
        assert expected <= counts.keys(), sorted(expected - counts.keys())


@settings(
    max_examples=NUM_MADE, deadline=None, derandomize=SEED == 0, database=None, suppress_health_check=list(HealthCheck)
)
@given(
    texts_of_files=st.lists(
        st.lists(hard_texts | st.text(max_size=40), min_size=1, max_size=3), min_size=1, max_size=2
    ),
    draw=st.randoms(use_true_random=False),
    segmenter=st.sampled_from(["none", "whitespace", "lac"]),
)
def test_generated_text_never_crashes_and_all_characters_are_counted(texts_of_files, draw, segmenter, tmp_path_factory, vocab):
    check(case_of(texts_of_files, draw, segmenter=segmenter), tmp_path_factory.mktemp("case"), vocab)
