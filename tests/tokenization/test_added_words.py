"""Chinese words of a grown vocabulary are found in text, as tokenizers finds added tokens."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, BertWordPieceTokenizer

from paddle_wwm.tokenization.added_words import is_chinese_word
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

from ..conftest import MINI_TOKENS, vocab_of

WORDS = ("北京", "北京大学", "大学", "大学生", "京大", "生活天气", "使用语言", "囍囍")
TOKENS = (*dict.fromkeys(MINI_TOKENS), *WORDS)
ALPHABET = "北京大学生活天气使用语言囍 a，pro[MASK]“\u0301\n"


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer(vocab=vocab_of(TOKENS))


@pytest.fixture(scope="module")
def library():
    made = BertWordPieceTokenizer(vocab={token: index for index, token in enumerate(TOKENS)}, lowercase=True)
    made._tokenizer.encode_special_tokens = True
    made._tokenizer.add_tokens([AddedToken(word, normalized=False) for word in WORDS])
    return made


def pieces_of(tokenizer, text):
    [(ids, spans)] = tokenizer.encode_each([text])
    return [(TOKENS[one], text[start:end]) for one, (start, end) in zip(ids, spans)]


def test_the_longest_word_from_the_left_is_one_piece_with_its_offsets(tokenizer):
    assert pieces_of(tokenizer, "我在北京大学生活天气") == [
        ("我", "我"),
        ("在", "在"),
        ("北京大学", "北京大学"),
        ("生活天气", "生活天气"),
    ]


def test_a_word_of_characters_that_the_vocabulary_lacks_is_found(tokenizer):
    assert pieces_of(tokenizer, "囍囍囍") == [("囍囍", "囍囍"), ("[UNK]", "囍")]


def test_a_word_across_two_texts_or_a_space_is_not_joined(tokenizer):
    pieces = tokenizer.encode(["在北", "京大学", "北 京"])
    assert np.diff(pieces.text_offsets).tolist() == [2, 2, 2]
    assert [TOKENS[one] for one in pieces.ids] == ["在", "北", "京大", "学", "北", "京"]


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(st.text(alphabet=ALPHABET, max_size=30), min_size=1, max_size=4))
def test_ids_and_offsets_are_those_of_tokenizers(tokenizer, library, texts):
    for text, (ids, spans) in zip(texts, tokenizer.encode_each(texts)):
        expected = library.encode(text, add_special_tokens=False)
        assert (ids, spans) == (expected.ids, expected.offsets)


def test_the_implementation_is_recorded_only_for_a_vocabulary_with_words(tokenizer, mini_vocab):
    assert "added Chinese words" in tokenizer.options.implementation
    assert "added" not in WordPieceTokenizer(vocab=mini_vocab).options.implementation


@pytest.mark.parametrize(
    ("token", "expected"),
    [("北京", True), ("京", False), ("##北京", False), ("北a", False), ("\uf900\uf900", False), ("", False)],
)
def test_a_chinese_word_has_several_characters_that_no_normalization_changes(token, expected):
    assert is_chinese_word(token) is expected
