"""Test building vocabularies: the alphabet, the pieces, and what is left out."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_wwm.corpus.documents import read_documents
from paddle_wwm.errors import ConfigError, DataError
from paddle_wwm.tokenization import word_counts
from paddle_wwm.tokenization.alphabet import VocabOptions, choose_alphabet
from paddle_wwm.tokenization.vocab import SPECIAL_TOKENS
from paddle_wwm.tokenization.vocab_building import build_vocab, repeats_a_sign, vocab_of_counts
from paddle_wwm.tokenization.word_counts import RawCounts, WordCounter, make_tokenizer, normalized_counts, words_of
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer


@pytest.fixture(scope="module")
def sample_sentences(sample_corpus):
    return [sentence for document in read_documents(sample_corpus) for sentence in document.sentences]


def test_a_built_vocabulary_has_special_tokens_single_chinese_characters_and_a_limited_size(sample_sentences):
    vocab = build_vocab(sample_sentences, vocab_size=2500, min_character_frequency=1)
    assert vocab.tokens[:5] == SPECIAL_TOKENS
    assert 2000 < len(vocab) <= 2500
    chinese = {
        character for sentence in sample_sentences for character in sentence if "\u4e00" <= character <= "\u9fff"
    }
    assert chinese <= set(vocab.tokens)
    assert not [token for token in vocab.tokens if len(token) > 1 and chinese & set(token.removeprefix("##"))]


def test_the_same_sentences_give_the_same_vocabulary(sample_sentences):
    assert build_vocab(iter(sample_sentences), vocab_size=3000) == build_vocab(list(sample_sentences), vocab_size=3000)


def test_a_built_vocabulary_is_lower_cased_unless_case_is_kept():
    sentences = ["Paddle Paddle Paddle 飞桨 É É"]
    assert "P" not in build_vocab(sentences, vocab_size=100).tokens
    assert {"Paddle", "É"} <= set(build_vocab(sentences, vocab_size=100, do_lower_case=False).tokens)


@pytest.mark.parametrize("vocab_size", [6, 15])
def test_a_too_small_vocab_size_is_an_error_with_the_smallest_valid_size_and_alphabet(vocab_size):
    sentences = ["甲乙丙丁戊己", "ab abc"]  # 5 special tokens, 6 + 3 characters, ##b and ##c
    message = f"`vocab_size` must be at least 16 for this corpus .*, but is {vocab_size}; .*--limit-alphabet (\\d+)"
    with pytest.raises(DataError, match=message) as caught:
        build_vocab(sentences, vocab_size=vocab_size, min_frequency=1)
    limit = int(str(caught.value).partition("--limit-alphabet ")[2].partition(",")[0])
    fitting = build_vocab(sentences, vocab_size=vocab_size, min_frequency=1, limit_alphabet=limit)
    assert len(fitting) <= vocab_size
    found = build_vocab(sentences, vocab_size=16, min_frequency=1)
    assert set(found.tokens) == {*SPECIAL_TOKENS, *"甲乙丙丁戊己abc", "##b", "##c"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 5}, "`vocab_size` must be at least 6 .*, but is 5"),
        ({"size": 100, "limit_alphabet": 96}, "`vocab_size` must be at least 101 for the 5 special tokens and"),
        ({"size": 100, "limit_alphabet": 0}, "`limit_alphabet` must be at least 1, but is 0"),
        ({"size": 100, "min_frequency": 0}, "`min_frequency` must be at least 1, but is 0"),
        ({"size": 100, "min_character_frequency": 0}, "`min_character_frequency` must be at least 1, but is 0"),
        ({"size": 100, "character_coverage": 0.0}, "`character_coverage` must be above 0 and at most 1, but is 0.0"),
        ({"size": 100, "character_coverage": float("nan")}, "`character_coverage` must be above 0 and at most 1"),
    ],
)
def test_impossible_options_are_refused_before_any_text_is_read(options, message):
    with pytest.raises(ConfigError, match=message):
        VocabOptions(**options)


def test_an_impossible_size_is_refused_before_the_sentences_are_read():
    def sentences():
        raise AssertionError("the sentences were read")
        yield ""

    with pytest.raises(ConfigError, match="`vocab_size` must be at least 6"):
        build_vocab(sentences(), vocab_size=1)


def test_a_piece_and_a_character_must_occur_min_frequency_times():
    assert "ab" in build_vocab(["ab 的 ab"], vocab_size=100).tokens
    assert "ab" not in build_vocab(["ab 的 a b"], vocab_size=100).tokens
    assert "ab" in build_vocab(["ab 的"], vocab_size=100, min_frequency=1).tokens
    assert build_vocab(["甲甲甲乙乙丙"], vocab_size=100).tokens[5:] == ("乙", "甲")
    assert build_vocab(["甲甲甲乙乙丙"], vocab_size=100, min_frequency=3).tokens[5:] == ("甲",)
    with pytest.raises(DataError, match="no character of the corpus occurs 4 times; lower `min_frequency`"):
        build_vocab(["甲甲甲乙乙丙"], vocab_size=100, min_frequency=4)


def test_a_word_with_a_character_that_is_left_out_is_not_trained_on():
    built = vocab_of_counts({"abab": 5, "abzab": 1, "甲": 3}, options=VocabOptions(size=100, min_frequency=2))
    assert built.vocab.tokens[5:] == ("##a", "##b", "a", "b", "甲", "##ab", "##bab", "abab")
    assert (built.num_words, built.num_unknown_words) == (9, 1)
    tokenizer = WordPieceTokenizer(vocab=built.vocab)
    assert tokenizer.encode(["abzab"]).ids.tolist() == [built.vocab.unk_id]


@given(
    words=st.dictionaries(st.text("甲乙丙ab", min_size=1, max_size=3), st.integers(1, 9), min_size=1, max_size=9),
    limit=st.none() | st.integers(1, 6),
    coverage=st.floats(0.01, 1.0),
    least=st.integers(1, 4),
)
def test_the_alphabet_is_the_shortest_list_of_frequent_characters_that_obeys_the_options(words, limit, coverage, least):
    counts = Counter(character for word, count in words.items() for character in word * count)
    options = VocabOptions(size=100, limit_alphabet=limit, character_coverage=coverage, min_frequency=least)
    if max(counts.values()) < least:
        with pytest.raises(DataError, match="no character"):
            choose_alphabet(words, options=options)
        return
    found = choose_alphabet(words, options=options)
    kept = [counts[character] for character in found.kept]
    left_out = {character: count for group in found.left_out.values() for character, count in group}
    assert {**{character: counts[character] for character in found.kept}, **left_out} == dict(counts)
    assert kept == sorted(counts.values(), reverse=True)[: len(kept)] and min(kept) >= least
    assert limit is None or len(kept) <= limit
    assert sum(kept[:-1]) < coverage * counts.total()
    is_limited = len(kept) == limit or max(left_out.values(), default=0) < least
    assert is_limited or sum(kept) >= coverage * counts.total()
    assert (found.num_occurrences_kept, found.num_occurrences) == (sum(kept), counts.total())


@pytest.mark.parametrize("text", ["=====", "0000", "……", "１１１", "★★★", "----", "###", "²²", "~~"])
def test_a_run_of_one_digit_or_sign_is_not_an_entry(text):
    sentences = [f"天{text} a{text} {text}b {text} 20{text}" for _ in range(20)]
    tokens = build_vocab(sentences, vocab_size=500, do_lower_case=False).tokens
    assert not [token for token in tokens if repeats_a_sign(token)]
    assert text[0] in tokens


def test_letters_that_repeat_and_numbers_of_different_digits_are_entries():
    tokens = build_vocab(["www www 2024 2024 2000 2000 ooh ooh"], vocab_size=100).tokens
    assert {"www", "2024", "2000"} <= set(tokens)
    assert [repeats_a_sign(token) for token in ("##", "#", "##0", "###", "####", "0", "的", "哈哈")] == [
        *(True, False, False, False, True, False, False, False)
    ]


def test_the_places_of_pieces_that_repeat_a_sign_are_filled_by_others():
    words = {"1000000": 50, **{f"word{number}": 3 for number in range(20)}}
    sizes = [len(vocab_of_counts(words, options=VocabOptions(size=size)).vocab) for size in (50, 57)]
    assert sizes == [50, 57]
    assert vocab_of_counts(words, options=VocabOptions(size=60)).repeats


def test_the_count_of_a_word_that_occurs_very_often_is_exact():
    words = {"ab": 2500, "cd": 2499, "ef": 1000, "gh": 999}
    for least, expected in ((2500, {"ab"}), (2499, {"ab", "cd"}), (1000, {"ab", "cd", "ef"}), (999, {*words})):
        options = VocabOptions(size=100, min_frequency=least, min_character_frequency=1)
        assert set(vocab_of_counts(words, options=options).vocab.tokens) & set(words) == expected


@pytest.mark.parametrize("sentences", [[], ["", " \u3000"]])
def test_a_corpus_without_text_is_an_error(sentences):
    with pytest.raises(DataError, match="has no text"):
        build_vocab(sentences, vocab_size=100)


@pytest.mark.parity
@pytest.mark.parametrize("do_lower_case", [True, False], ids=["uncased", "cased"])
@given(texts=st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), max_size=5))
def test_the_counts_of_words_are_those_of_the_library(do_lower_case, texts):
    tokenizer = make_tokenizer(do_lower_case=do_lower_case)
    expected = Counter(word for text in texts for word in words_of(text, tokenizer))
    counter = WordCounter(do_lower_case=do_lower_case)
    counter.add(texts)
    assert normalized_counts([counter.counts()], do_lower_case=do_lower_case) == expected


def test_counts_of_parts_and_of_blocks_add_up(sample_sentences, monkeypatch):
    whole = WordCounter(do_lower_case=True)
    whole.add(sample_sentences)
    monkeypatch.setattr(word_counts, "BLOCK_CHARACTERS", 500)
    merged = RawCounts()
    for part in range(3):
        counter = WordCounter(do_lower_case=True)
        counter.add(sample_sentences[part::3])
        merged.merge(counter.counts())
    assert merged == whole.counts()


def test_a_lone_surrogate_is_removed_as_the_tokenizer_does():
    counter = WordCounter(do_lower_case=True)
    counter.add(["a\ud800b 的"])
    assert normalized_counts([counter.counts()], do_lower_case=True) == {"ab": 1, "的": 1}
