"""Test that the tables of the fast tokenizer agree with the library."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from paddle_wwm.tokenization import piece_tables
from paddle_wwm.tokenization.library import LibraryTokenizer
from paddle_wwm.tokenization.piece_tables import NUM_CODE_POINTS, RUN, SEPARATOR, CodePointTable, RunCache
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

from .builders import plain


@pytest.fixture(scope="module")
def library(mini_vocab):
    return LibraryTokenizer(vocab=mini_vocab, do_lower_case=True)


def entries_of(text, library):
    return CodePointTable(library)[np.array([ord(character) for character in text], np.uint32)].tolist()


def test_the_entry_of_a_chinese_character_or_punctuation_mark_is_its_id(library, mini_vocab):
    ids = mini_vocab.ids
    assert entries_of("使，[龘—", library) == [ids["使"], ids["，"], ids["["], mini_vocab.unk_id, mini_vocab.unk_id]


def test_white_space_is_a_separator(library):
    assert entries_of(" \t\n\r\u3000\xa0\u2028", library) == [SEPARATOR] * 7


def test_characters_that_depend_on_their_neighbours_are_in_runs(library):
    assert entries_of("aZé5５Ａ\u0301가😀ァ\u0000\u200b\ufffd\ud800\U0010ffff", library) == [RUN] * 15


def test_a_character_that_decomposes_to_punctuation_is_punctuation_if_text_is_lower_cased(mini_vocab):
    vocab = type(mini_vocab)(tokens=(*mini_vocab.tokens, "=", "\u8c48", "\uf900"), sha256="")
    uncased, cased = (LibraryTokenizer(vocab=vocab, do_lower_case=lower) for lower in (True, False))
    assert entries_of("\u2260\uf900", uncased) == [vocab.ids["="], vocab.ids["\u8c48"]]
    assert entries_of("\u2260\uf900", cased) == [RUN, vocab.ids["\uf900"]]


@pytest.mark.slow
@pytest.mark.parity
@pytest.mark.parametrize("do_lower_case", [True, False], ids=["uncased", "cased"])
def test_every_code_point_has_the_pieces_of_the_library_between_letters_and_chinese_characters(
    mini_vocab, do_lower_case
):
    library = LibraryTokenizer(vocab=mini_vocab, do_lower_case=do_lower_case)
    entries = CodePointTable(library)[np.arange(NUM_CODE_POINTS)]
    # Code points in runs that are unassigned or private use go to the library anyway, so every 64th of them is enough.
    codes = [
        code
        for code in range(NUM_CODE_POINTS)
        if entries[code] != RUN or code % 64 == 0 or unicodedata.category(chr(code)) not in ("Cn", "Co")
    ]
    assert len(codes) > 150_000
    tokenizer = WordPieceTokenizer(vocab=mini_vocab, do_lower_case=do_lower_case)
    for block in np.array_split(codes, 16):
        text = "".join(f"a{chr(code)}a使{chr(code)}使" for code in block)
        assert plain(tokenizer.encode([text])) == plain(library.encode_one(text))


def test_the_spans_of_a_run_count_from_its_start(library, mini_vocab):
    cache = RunCache(library)
    runs = ["the", "probability", "\u200b", "the", "x\u0000y"]
    numbers = cache.numbers_of(runs)
    found = [
        [(cache.ids[i], cache.starts[i], cache.ends[i]) for i in range(cache.firsts[number], cache.firsts[number + 1])]
        for number in numbers
    ]
    ids = mini_vocab.ids
    assert found == [
        [(ids["the"], 0, 3)],
        [(ids["pro"], 0, 3), (ids["##ba"], 3, 5), (ids["##bility"], 5, 11)],
        [],
        [(ids["the"], 0, 3)],
        [(ids["x"], 0, 1), (ids["##y"], 2, 3)],
    ]


def test_the_size_of_the_cache_of_runs_is_bounded(library, monkeypatch):
    monkeypatch.setattr(piece_tables, "MAX_CACHED_CHARACTERS", 1000)
    cache, sizes = RunCache(library), []
    for first in range(0, 5000, 50):
        cache.numbers_of([f"r{number}" for number in range(first, first + 50)])
        sizes.append(len(cache.firsts) - 1)
    assert max(sizes) <= 300  # 1,000 characters, plus the 50 runs that exceed the limit
    assert sizes.count(50) > 10  # the cache was cleared


def test_a_cached_run_is_not_tokenized_again(library, monkeypatch):
    cache, asked = RunCache(library), []
    monkeypatch.setattr(
        library, "encode_one", lambda text: asked.append(text) or LibraryTokenizer.encode_one(library, text)
    )
    cache.numbers_of(["the", "the"])
    cache.numbers_of(["the", "bert"])
    assert asked == ["the", "bert"]
