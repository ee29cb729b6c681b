"""Test tokenizing documents, and the counts of sentences and documents that are left out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_wwm.corpus.documents import Document
from paddle_wwm.tokenization.tokenized import TokenizedDocument, tokenize_documents, tokenize_sentence
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

from .builders import GivenWords, properties

NOTHING_LEFT = "\u200b\u0000"  # the tokenizer removes both


@pytest.fixture(scope="module")
def tokenize(mini_vocab):
    """A function that tokenizes documents, given as lists of marked sentences, and returns them and the report."""

    def run(*documents, vocab=mini_vocab):
        report = Counter()
        found = tokenize_documents(
            [
                Document(doc_id=str(number), sentences=tuple(text.replace("|", "") for text in texts))
                for number, texts in enumerate(documents)
            ],
            segmenter=GivenWords([text for texts in documents for text in texts]),
            tokenizer=WordPieceTokenizer(vocab=vocab),
            report=report,
        )
        return found, +report

    return run


def plain(document):
    """Return the word starts and the sentence offsets of a document as lists."""
    return document.word_starts.astype(int).tolist(), document.sentence_offsets.tolist()


def test_the_running_example_has_known_ids_and_word_starts(tokenize, seed_words, mini_vocab):
    [document], report = tokenize(["|".join(seed_words)])
    assert (
        " ".join(mini_vocab.tokens[number] for number in document.input_ids)
        == "使 用 语 言 模 型 来 预 测 下 一 个 词 的 pro ##ba ##bility 。"
    )
    assert plain(document) == ([1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 1], [0, 18])
    assert report == {}


def test_sentences_and_documents_stay_separate_and_in_order(tokenize, mini_vocab):
    documents, _ = tokenize(["使用|语言", "。"], ["模型"])
    assert [plain(document) for document in documents] == [([1, 0, 1, 0, 1], [0, 4, 5]), ([1, 0], [0, 2])]
    assert [mini_vocab.tokens[number] for document in documents for number in document.input_ids] == [*"使用语言。模型"]
    assert {document.sentence_offsets.dtype.name for document in documents} == {"int32"}


def test_sentences_and_documents_without_tokens_are_left_out_and_counted(tokenize):
    documents, report = tokenize(
        [NOTHING_LEFT, "使用", NOTHING_LEFT, "语言", ""], [NOTHING_LEFT, NOTHING_LEFT], ["模型"], [], ["语"]
    )
    assert [plain(document) for document in documents] == [([1, 0, 1, 0], [0, 2, 4]), ([1, 0], [0, 2]), ([1], [0, 1])]
    assert report == {"sentences_without_tokens": 5, "documents_without_tokens": 2}


def test_no_documents_and_empty_documents_give_no_documents(tokenize):
    assert tokenize() == ([], {})
    assert tokenize([]) == ([], {"documents_without_tokens": 1})


def test_pieces_across_words_are_counted(tokenize):
    _, report = tokenize(["pr|obability|的", "p|r|o|bability"], ["使用"])
    assert report == {"pieces_across_words": 2}


sentences = st.sampled_from(["使用|语言", "the| |pro", NOTHING_LEFT, "", "  ", "pr|obability|。", "语|言"])


@properties
@given(st.lists(st.lists(sentences, max_size=4), max_size=5))
def test_a_document_is_equal_to_its_sentences_tokenized_one_by_one(tokenize, sentence_of, mini_vocab, documents):
    tokenizer, report, expected = WordPieceTokenizer(vocab=mini_vocab), Counter(), []
    for texts in documents:
        parts = [
            tokenize_sentence(
                sentence_of([word for word in text.split("|") if word]), tokenizer=tokenizer, report=report
            )
            for text in texts
        ]
        kept = [(ids.tolist(), starts.tolist()) for ids, starts in parts if len(ids)]
        report["sentences_without_tokens"] += len(parts) - len(kept)
        report["documents_without_tokens"] += not kept
        if kept:
            expected.append(
                (
                    [i for ids, _ in kept for i in ids],
                    [s for _, starts in kept for s in starts],
                    [len(ids) for ids, _ in kept],
                )
            )
    found, found_report = tokenize(*documents)
    assert [
        (one.input_ids.tolist(), one.word_starts.tolist(), np.diff(one.sentence_offsets).tolist()) for one in found
    ] == expected
    assert found_report == +report


@pytest.mark.parametrize(("num_tokens", "dtype"), [(1 << 16, np.uint16), ((1 << 16) + 1, np.uint32)])
def test_ids_are_uint16_if_the_vocabulary_is_small_enough(tokenize, mini_vocab, num_tokens, dtype):
    fillers = tuple(f"filler{number}" for number in range(num_tokens - len(mini_vocab) - 1))
    large = type(mini_vocab)(tokens=(*mini_vocab.tokens, *fillers, "龘"), sha256="")
    [document], _ = tokenize(["龘"], vocab=large)
    assert (document.input_ids.dtype, document.input_ids.tolist()) == (dtype, [num_tokens - 1])


def tokenized(ids=(5, 6, 7), starts=(1, 0, 1), offsets=(0, 2, 3)):
    return TokenizedDocument(
        input_ids=np.array(ids, np.uint16),
        word_starts=np.array(starts, bool),
        sentence_offsets=np.array(offsets, np.int32),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"starts": (1, 0)}, "word_starts must have the shape of input_ids"),
        ({"offsets": (0, 2)}, "sentence_offsets must rise from 0 to num_tokens"),
        ({"offsets": (1, 3)}, "sentence_offsets must rise from 0 to num_tokens"),
        ({"offsets": (0, 2, 2, 3)}, "sentence_offsets must rise from 0 to num_tokens"),
        ({"offsets": (0, 1, 3)}, "the first token of every sentence must start a word"),
        ({"starts": (0, 1, 1)}, "the first token of every sentence must start a word"),
    ],
)
def test_a_document_with_inconsistent_arrays_is_refused(changes, message):
    assert tokenized().sentence_offsets.tolist() == [0, 2, 3]
    with pytest.raises(ValueError, match=message):
        tokenized(**changes)
