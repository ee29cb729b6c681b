"""Test that WordPiece from tables gives the ids and the offsets of the library."""

from __future__ import annotations

import copy
import pickle
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_wwm.tokenization import piece_tables, wordpiece
from paddle_wwm.tokenization.library import LibraryTokenizer
from paddle_wwm.tokenization.tokenized import tokenize_sentence
from paddle_wwm.tokenization.vocab import load_vocab
from paddle_wwm.tokenization.vocab_building import build_vocab
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

from .builders import hard_texts, pieces_of, plain, properties

SEED_PIECES = "使 用 语 言 模 型 来 预 测 下 一 个 词 的 pro ##ba ##bility 。"
HANGUL = ("ᄀ", "##ᅡ", "ᄂ", "##ᄂ", "##ᅡᄂ")


@pytest.fixture(scope="module")
def tokenizer(mini_vocab):
    return WordPieceTokenizer(vocab=mini_vocab)


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def both_ways(request, mini_vocab):
    """The tokenizer and the library, for the miniature vocabulary."""
    vocab = type(mini_vocab)(tokens=(*mini_vocab.tokens, *HANGUL, "\u8c48", "\uf900", "é", "A", "="), sha256="")
    return WordPieceTokenizer(vocab=vocab, do_lower_case=request.param), LibraryTokenizer(
        vocab=vocab, do_lower_case=request.param
    )


def test_the_running_example_has_18_pieces_with_known_spans(tokenizer, seed_words):
    pieces, texts = pieces_of(tokenizer, "".join(seed_words))
    assert " ".join(pieces) == SEED_PIECES
    assert texts == [*"使用语言模型来预测下一个词的", "pro", "ba", "bility", "。"]


@pytest.mark.parametrize(
    ("words", "pieces", "starts"),
    [
        pytest.param("我们|在|Berts| |学习", "我 们 在 bert ##s 学 习", [1, 0, 1, 1, 0, 1, 0], id="an English word"),
        pytest.param("the| |probability", "the pro ##ba ##bility", [1, 1, 0, 0], id="English words"),
        pytest.param("2020|年|3.5|天", "20 ##20 [UNK] 3 . 5 天", [1, 0, 1, 1, 0, 0, 1], id="numbers"),
        pytest.param(
            "在|http://a.b-c|学",
            "在 h ##t ##t ##p [UNK] [UNK] [UNK] a . b - c 学",
            [1, 1, *[0] * 11, 1],
            id="a URL; : and / are unknown",
        ),
        pytest.param("很好|😀|。", "很 好 [UNK] 。", [1, 0, 1, 1], id="an emoji"),
        pytest.param("好|👨\u200d👩\u200d👧|的", "好 [UNK] 的", [1, 1, 1], id="joined emoji are one piece"),
        pytest.param("好|😀|the|的", "好 [UNK] 的", [1, 1, 1], id="an emoji and the letters after it are one piece"),
        pytest.param(
            "２０２０|ＴＨＥ|（|天|）", "[UNK] （ 天 ）", [1, 1, 1, 1], id="full-width letters are other letters"
        ),
        pytest.param("２０|，|ｔｈｅ|！", "[UNK] ， [UNK] ！", [1, 1, 1, 1], id="full-width punctuation"),
        pytest.param("語言|模型|天氣", "[UNK] 言 模 型 天 [UNK]", [1, 0, 1, 0, 1, 0], id="traditional characters"),
        pytest.param("龘|的|…|Ω", "[UNK] 的 [UNK] [UNK]", [1, 1, 1, 1], id="unknown characters"),
        pytest.param(
            "使|[MASK]|用|[CLS]",
            "使 [ mask ] 用 [ c ##l ##s ]",
            [1, 1, 0, 0, 1, 1, 0, 0, 0, 0],
            id="literal [MASK] and [CLS] are text",
        ),
        pytest.param("使\u0000用|Thé|\u200b", "使 用 the", [1, 0, 1], id="removed characters and accents"),
        pytest.param("t\ud800he|的\udfff|的", "the 的 的", [1, 1, 1], id="lone surrogates are removed"),
    ],
)
def test_a_kind_of_text_has_known_pieces_and_words(tokenizer, sentence_of, words, pieces, starts):
    ids, word_starts = tokenize_sentence(sentence_of(words.split("|")), tokenizer=tokenizer, report=Counter())
    assert " ".join(tokenizer.vocab.tokens[number] for number in ids) == pieces
    assert word_starts.astype(int).tolist() == starts


@pytest.mark.parametrize(
    ("text", "pieces", "texts"),
    [
        ("使 用", ["使", "用"], ["使", "用"]),
        ("  the\u3000Probability ", ["the", "pro", "##ba", "##bility"], ["the", "Pro", "ba", "bility"]),
        ("使\u0000用\u200b的", ["使", "用", "的"], ["使", "用", "的"]),
        ("t\u0000he\u200bs", ["the", "##s"], ["t\u0000he", "s"]),
        ("th\ud800e", ["the"], ["th\ud800e"]),
        ("Thé", ["the"], ["Thé"]),
        ("the\u0301 的", ["the", "的"], ["the", "的"]),
        ("😀the", ["[UNK]"], ["😀the"]),
        ("", [], []),
        (" \u200b\u0000\ufffd\ud800", [], []),
    ],
)
def test_offsets_count_characters_of_the_original_text(tokenizer, text, pieces, texts):
    assert pieces_of(tokenizer, text) == (pieces, texts)


def test_the_pieces_of_a_hangul_syllable_share_its_span(mini_vocab):
    tokenizer = WordPieceTokenizer(vocab=type(mini_vocab)(tokens=(*mini_vocab.tokens, *HANGUL), sha256=""))
    assert pieces_of(tokenizer, "가 나") == (["ᄀ", "##ᅡ", "ᄂ", "##ᅡ"], ["가", "가", "나", "나"])
    assert pieces_of(tokenizer, "가나") == (["ᄀ", "##ᅡᄂ", "##ᅡ"], ["가", "가나", "나"])


def test_spans_count_in_the_concatenated_texts_and_every_text_has_its_pieces(tokenizer):
    ids = tokenizer.vocab.ids
    pieces = tokenizer.encode(["使", "", "the用", "the"])
    assert plain(pieces) == (
        [ids["使"], ids["the"], ids["用"], ids["the"]],
        [0, 1, 4, 5],
        [1, 4, 5, 8],
        [0, 1, 1, 3, 4],
    )
    assert (pieces.ids.dtype, pieces.starts.dtype, pieces.ends.dtype, pieces.text_offsets.dtype) == (
        np.int32,
        np.int64,
        np.int64,
        np.int64,
    )
    assert pieces.ids_of_text(2).tolist() == [ids["the"], ids["用"]]
    assert plain(tokenizer.encode([])) == ([], [], [], [0])
    assert plain(tokenizer.encode(["", ""])) == ([], [], [], [0, 0, 0])


def test_case_is_kept_without_do_lower_case(mini_vocab):
    cased = WordPieceTokenizer(vocab=mini_vocab, do_lower_case=False)
    assert pieces_of(cased, "the The thé")[0] == ["the", "[UNK]", "[UNK]"]
    assert cased.options.do_lower_case is False
    assert cased.options != WordPieceTokenizer(vocab=mini_vocab).options


@pytest.mark.parity
@properties
@given(texts=st.lists(hard_texts, max_size=6))
def test_random_texts_have_the_ids_and_offsets_of_the_tokenizers_library(both_ways, texts):
    ours, library = both_ways
    assert plain(ours.encode(texts)) == plain(library.encode(texts))


@pytest.mark.parity
@properties
@given(text=hard_texts)
def test_spans_are_inside_the_text_and_their_starts_never_decrease(both_ways, text):
    pieces = both_ways[0].encode([text])
    assert np.all((pieces.starts >= 0) & (pieces.starts < pieces.ends) & (pieces.ends <= len(text)))
    assert np.all(np.diff(pieces.starts) >= 0)


@pytest.mark.parity
@properties
@given(texts=st.lists(hard_texts, max_size=6), num_characters=st.integers(1, 30))
def test_the_pieces_do_not_depend_on_the_sizes_of_blocks_and_cache(mini_vocab, texts, num_characters):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wordpiece, "BLOCK_CHARACTERS", num_characters)
        patch.setattr(piece_tables, "MAX_CACHED_CHARACTERS", num_characters)
        patch.setattr(piece_tables, "LIBRARY_CHARACTERS", num_characters + 3)
        pieces = WordPieceTokenizer(vocab=mini_vocab).encode(texts)
    assert plain(pieces) == plain(LibraryTokenizer(vocab=mini_vocab, do_lower_case=True).encode(texts))


@pytest.mark.parity
def test_a_long_line_without_spaces_has_the_pieces_of_the_library(both_ways):
    ours, library = both_ways
    texts = [
        "probability" * 9 + "s" * 2,
        "a" * 100,
        "a" * 101,
        "x" * 300_000,
        "the" * 50_000 + "使" * 200_000 + "，the",
    ]
    assert plain(ours.encode(texts)) == plain(library.encode(texts))


@pytest.mark.parity
def test_threads_that_share_a_tokenizer_get_correct_pieces(mini_vocab):
    texts = [[f"使{number * step}用 the{number}" for number in range(300)] for step in range(1, 17)]
    tokenizer, library = WordPieceTokenizer(vocab=mini_vocab), LibraryTokenizer(vocab=mini_vocab, do_lower_case=True)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(tokenizer.encode, texts))
    assert [plain(pieces) for pieces in found] == [plain(library.encode(part)) for part in texts]


def test_a_pickled_tokenizer_gives_the_same_pieces_and_does_not_contain_the_tables(mini_vocab):
    tokenizer = WordPieceTokenizer(vocab=mini_vocab, do_lower_case=False)
    expected = plain(tokenizer.encode(["使The用"]))
    assert len(pickle.dumps(tokenizer)) < 10_000
    for other in (pickle.loads(pickle.dumps(tokenizer)), copy.deepcopy(tokenizer)):
        assert plain(other.encode(["使The用"])) == expected
        assert other.options == tokenizer.options


@pytest.mark.parity
def test_the_sample_corpus_has_the_pieces_of_the_tokenizers_library(sample_corpus):
    lines = sample_corpus.read_text(encoding="utf-8").split("\n")
    vocab = build_vocab(lines, vocab_size=4000)
    assert plain(WordPieceTokenizer(vocab=vocab).encode(lines)) == plain(
        LibraryTokenizer(vocab=vocab, do_lower_case=True).encode(lines)
    )


@pytest.mark.data
def test_the_running_example_has_the_same_pieces_with_the_published_vocabulary(shared_data, seed_words):
    tokenizer = WordPieceTokenizer(vocab=load_vocab(shared_data / "vocab" / "vocab.txt"))
    assert pieces_of(tokenizer, "probability")[0] == ["pro", "##ba", "##bility"]
    assert " ".join(pieces_of(tokenizer, "".join(seed_words))[0]) == SEED_PIECES


@pytest.mark.parity
@pytest.mark.data
@pytest.mark.parametrize("do_lower_case", [True, False], ids=["uncased", "cased"])
def test_lines_of_the_shared_corpus_have_the_pieces_of_the_tokenizers_library(shared_data, do_lower_case):
    vocab = load_vocab(shared_data / "vocab" / "vocab.txt")
    lines = []
    for path in sorted((shared_data / "corpus").glob("*.txt")):
        with open(path, encoding="utf-8", newline="\n") as stream:
            lines += islice(stream, 0, None, 20)  # benchmarks/wordpiece.py compares all of them
    expected = LibraryTokenizer(vocab=vocab, do_lower_case=do_lower_case).encode(lines)
    found = WordPieceTokenizer(vocab=vocab, do_lower_case=do_lower_case).encode(lines)
    for name in ("ids", "starts", "ends", "text_offsets"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
    assert len(found) > 1_000_000


def test_encode_each_returns_lists_with_spans_in_each_text(mini_vocab):
    tokenizer = WordPieceTokenizer(vocab=mini_vocab)
    [(first, first_spans), (empty, no_spans), (second, second_spans)] = tokenizer.encode_each(
        ["使用 the", "", "probability。"]
    )
    assert [mini_vocab.tokens[number] for number in first] == ["使", "用", "the"] and first_spans == [
        (0, 1),
        (1, 2),
        (3, 6),
    ]
    assert (empty, no_spans) == ([], [])
    assert [mini_vocab.tokens[number] for number in second] == ["pro", "##ba", "##bility", "。"]
    assert second_spans == [(0, 3), (3, 5), (5, 11), (11, 12)]
