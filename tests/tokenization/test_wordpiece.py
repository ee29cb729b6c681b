"""WordPiece: BERT's ids, and offsets that are characters of the original text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_wwm.corpus.documents import read_documents
from paddle_wwm.tokenization.vocab import load_vocab
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

SEED_PIECES = "使 用 语 言 模 型 来 预 测 下 一 个 词 的 pro ##ba ##bility 。"


@pytest.fixture(scope="module")
def tokenizer(mini_vocab):
    return WordPieceTokenizer(vocab=mini_vocab)


def pieces_of(tokenizer, text):
    """The pieces and the pieces of text that they stand for."""
    [(ids, spans)] = tokenizer.encode([text])
    return [tokenizer.vocab.tokens[number] for number in ids], [text[start:end] for start, end in spans]


def reference_ids(vocab, texts, *, lowercase=True):
    """Ids by the parts of the `tokenizers` library, put together here as BERT does it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    reference = Tokenizer(models.WordPiece(dict(vocab.ids), unk_token="[UNK]", max_input_chars_per_word=100))
    reference.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=lowercase)
    reference.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return [encoding.ids for encoding in reference.encode_batch(texts, add_special_tokens=False)]


def test_the_running_example_has_its_eighteen_pieces_at_its_characters(tokenizer, seed_words):
    text = "".join(seed_words)
    pieces, texts = pieces_of(tokenizer, text)
    assert " ".join(pieces) == SEED_PIECES
    assert texts == [*"使用语言模型来预测下一个词的", "pro", "ba", "bility", "。"]


@pytest.mark.parametrize(
    ("text", "pieces", "texts"),
    [
        ("使 用", ["使", "用"], ["使", "用"]),
        ("  the\u3000Probability ", ["the", "pro", "##ba", "##bility"], ["the", "Pro", "ba", "bility"]),
        ("使\u0000用\u200b的", ["使", "用", "的"], ["使", "用", "的"]),
        ("Thé", ["the"], ["Thé"]),
        ("the\u0301 的", ["the", "的"], ["the", "的"]),
        ("2020年", ["20", "##20", "[UNK]"], ["20", "20", "年"]),
        ("😀the", ["[UNK]"], ["😀the"]),
        ("使😀用", ["使", "[UNK]", "用"], ["使", "😀", "用"]),
        ("", [], []),
        (" \u200b\u0000\ufffd", [], []),
    ],
)
def test_offsets_are_characters_of_the_original_whatever_is_removed_or_replaced(tokenizer, text, pieces, texts):
    assert pieces_of(tokenizer, text) == (pieces, texts)


@given(text=st.text(alphabet=st.sampled_from("使用语言的pP roÉé\u0301\u3000 \t\u0000\u200b龘😀2，[MASK]가"), max_size=40))
def test_spans_lie_within_the_text_and_their_starts_rise(tokenizer, text):
    [(ids, spans)] = tokenizer.encode([text])
    assert len(ids) == len(spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)


def test_a_special_token_in_running_text_is_text(tokenizer):
    vocab = tokenizer.vocab
    assert pieces_of(tokenizer, "[MASK]")[0] == ["[", "mask", "]"]
    [(ids, _)] = tokenizer.encode(["使[MASK]用[CLS][SEP][PAD]"])
    assert not {vocab.mask_id, vocab.cls_id, vocab.sep_id, vocab.pad_id} & set(ids)


def test_no_special_tokens_are_added_and_texts_keep_their_order(tokenizer):
    ids = tokenizer.vocab.ids
    assert [found for found, _ in tokenizer.encode(["使", "", "用使"])] == [[ids["使"]], [], [ids["用"], ids["使"]]]


@pytest.mark.parity
def test_the_sample_corpus_has_the_ids_of_the_tokenizers_library(prepared_sample, sample_corpus):
    sentences = [sentence for document in read_documents(sample_corpus) for sentence in document.sentences]
    vocab = prepared_sample.vocab()
    assert [ids for ids, _ in WordPieceTokenizer(vocab=vocab).encode(sentences)] == reference_ids(vocab, sentences)


@pytest.mark.parity
@given(text=st.text(max_size=30))
def test_any_text_has_the_ids_of_the_tokenizers_library(tokenizer, text):
    [(ids, _)] = tokenizer.encode([text])
    assert [ids] == reference_ids(tokenizer.vocab, [text])


def test_case_is_kept_where_the_vocabulary_keeps_it(mini_vocab):
    cased = WordPieceTokenizer(vocab=mini_vocab, do_lower_case=False)
    assert pieces_of(cased, "the The thé")[0] == ["the", "[UNK]", "[UNK]"]
    assert cased.options["do_lower_case"] is False
    assert cased.options != WordPieceTokenizer(vocab=mini_vocab).options


@pytest.mark.data
def test_the_running_example_has_the_same_pieces_in_the_published_vocabulary(shared_data, seed_words):
    tokenizer = WordPieceTokenizer(vocab=load_vocab(shared_data / "vocab" / "vocab.txt"))
    assert pieces_of(tokenizer, "probability")[0] == ["pro", "##ba", "##bility"]
    assert " ".join(pieces_of(tokenizer, "".join(seed_words))[0]) == SEED_PIECES


@pytest.mark.parity
@pytest.mark.data
def test_a_thousand_lines_have_the_ids_of_the_tokenizers_library_in_the_published_vocabulary(shared_data):
    vocab = load_vocab(shared_data / "vocab" / "vocab.txt")
    with open(shared_data / "corpus" / "05_lctt_articles.txt", encoding="utf-8") as stream:
        lines = [line for line, _ in zip(stream, range(1000))]
    assert [ids for ids, _ in WordPieceTokenizer(vocab=vocab).encode(lines)] == reference_ids(vocab, lines)
