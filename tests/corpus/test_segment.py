"""LAC's model gives, through the project's code, the words that LAC's own code gives."""

from __future__ import annotations

import random

import pytest

from paddle_wwm.corpus.documents import read_documents
from paddle_wwm.corpus.lac import import_lac_package
from paddle_wwm.corpus.segment import LacSegmenter, make_segmenter, spans_from_starts
from paddle_wwm.errors import ConfigError

LONG_LINE = "使用语言模型来预测下一个词的probability，再看下一行。" * 200
VARIED_LINES = [
    " ",
    "   两边 和 中间 都有空格   ",
    "\t制表符\t",
    "\u3000全角空格\u3000",
    "ＡＢＣ１２３，全角字母和数字！",
    "繁體中文的語言模型預測下一個詞，臺灣與後來的發展。",
    "今天真开心😀😀👍🏽，一起去👨‍👩‍👧吧！",
    "The quick brown fox jumps over the lazy dog.",
    "用Python 3.11写了1,000行代码，https://example.com/a?b=c 在这里",
    "한국어와 日本語のひらがな和русский",
    "𠀀𠮷野家，罕用字龘靐齉",
    "\u200b\ufeff\x00控制\x7f字符",
    "é́èñ组合字符e\u0301",
    "。",
    "！？……——",
    "字",
    "ab",
    "12345678901234567890",
    LONG_LINE[:5000],
]


@pytest.fixture(scope="module")
def lac():
    return LacSegmenter()


@pytest.fixture(scope="module")
def reference_words():
    """A function that gives the words of lines by the package's own code."""
    reference = import_lac_package().LAC(mode="seg")

    def run(lines):
        batches = [lines[first : first + 64] for first in range(0, len(lines), 64)]
        return [tuple(words) for batch in batches for words in reference.run(batch)]

    return run


def words_of(sentences):
    return [sentence.words for sentence in sentences]


@pytest.fixture(scope="module")
def sample_lines(sample_corpus):
    return [sentence for document in read_documents(sample_corpus) for sentence in document.sentences]


def test_lac_cuts_the_running_example_into_ten_words(lac, seed_words):
    [sentence] = lac.segment(["".join(seed_words)])
    assert "|".join(sentence.words) == "使用|语言|模型|来|预测|下一个|词|的|probability|。"
    assert sentence.word_spans[5:8] == ((9, 12), (12, 13), (13, 14))


@pytest.mark.parity
def test_every_sentence_of_the_sample_corpus_has_the_words_of_the_package_itself(lac, reference_words, sample_lines):
    assert len(set(sample_lines)) > 300
    assert words_of(lac.segment(sample_lines)) == reference_words(sample_lines)


@pytest.mark.parity
@pytest.mark.parametrize("line", VARIED_LINES, ids=lambda line: ascii(line[:12]))
def test_an_unusual_line_has_the_words_of_the_package_itself(lac, reference_words, line):
    [sentence] = lac.segment([line])
    assert [sentence.words] == reference_words([line])
    assert "".join(sentence.words) == sentence.text == line


@pytest.mark.parity
@pytest.mark.data
def test_two_thousand_lines_of_the_shared_corpus_have_the_words_of_the_package_itself(lac, reference_words, shared_data):
    with open(shared_data / "corpus" / "01_wiki_articles.txt", encoding="utf-8") as stream:
        lines = [line for line in map(str.strip, stream) if line][:2000]
    assert len(lines) == 2000
    assert words_of(lac.segment(lines)) == reference_words(lines)


def test_the_words_of_a_text_do_not_depend_on_what_is_segmented_with_it(lac, sample_lines):
    texts = random.Random(0).sample(sample_lines, 150) + VARIED_LINES + ["", ""]
    together = lac.segment(texts)
    assert [lac.segment([text])[0] for text in texts] == together
    assert lac.segment(texts[::-1]) == together[::-1]


def test_an_empty_text_has_no_words_and_no_texts_have_no_sentences(lac):
    assert words_of(lac.segment(["", "好", ""])) == [(), ("好",), ()]
    assert lac.segment([]) == []


def test_the_model_is_named_by_its_checksum(lac):
    assert (lac.name, len(lac.model_sha256)) == ("lac", 64)
    assert LacSegmenter().model_sha256 == lac.model_sha256


@pytest.mark.parametrize(
    ("starts", "length", "spans"), [([], 0, ()), ([0], 0, ()), ([0], 3, ((0, 3),)), ([0, 2, 3], 5, ((0, 2), (2, 3), (3, 5)))]
)
def test_a_word_ends_where_the_next_one_starts(starts, length, spans):
    assert spans_from_starts(starts, length) == spans


def test_an_unknown_segmenter_is_an_error_that_names_the_known_ones():
    with pytest.raises(ConfigError, match="`segmenter` must be one of lac, but is 'ltp'"):
        make_segmenter("ltp")
