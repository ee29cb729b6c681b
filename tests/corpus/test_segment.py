"""Test the segmenters and their protocol; LAC must give the words of its own package."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.corpus.documents import read_documents
from paddle_wwm.corpus.lac import import_lac_package
from paddle_wwm.corpus.segment import (
    SEGMENTERS,
    SegmentedSentence,
    SegmenterConfig,
    make_segmenter,
    segment,
    spans_from_starts,
)
from paddle_wwm.errors import ConfigError, DataError

HAS_RJIEBA = importlib.util.find_spec("rjieba") is not None
SEED_TEXT = "使用语言模型来预测下一个词的probability。"

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


@pytest.fixture(scope="module", params=["auto", "paddle"])
def lac(request):
    return make_segmenter(SegmenterConfig(name="lac", engine=request.param))


@pytest.fixture(scope="module")
def made():
    """A function that returns a segmenter by name and creates it once."""
    segmenters = {}

    def get(name):
        if name == "rjieba" and not HAS_RJIEBA:
            pytest.skip("rjieba is not installed; constraints.txt has its version")
        if name not in segmenters:
            segmenters[name] = make_segmenter(SegmenterConfig(name=name))
        return segmenters[name]

    return get


@pytest.fixture(scope="module")
def reference_words():
    """A function that returns the words of lines from the code of the package."""
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


def test_lac_cuts_the_running_example_into_10_words(lac, seed_words):
    [sentence] = segment(lac, ["".join(seed_words)])
    assert "|".join(sentence.words) == "使用|语言|模型|来|预测|下一个|词|的|probability|。"
    assert sentence.word_spans[5:8] == ((9, 12), (12, 13), (13, 14))


@pytest.mark.parity
def test_the_sample_corpus_has_the_words_of_the_package(lac, reference_words, sample_lines):
    assert len(set(sample_lines)) > 300
    assert words_of(segment(lac, sample_lines)) == reference_words(sample_lines)


@pytest.mark.parity
@pytest.mark.parametrize("line", VARIED_LINES, ids=lambda line: ascii(line[:12]))
def test_an_unusual_line_has_the_words_of_the_package(lac, reference_words, line):
    [sentence] = segment(lac, [line])
    assert [sentence.words] == reference_words([line])
    assert "".join(sentence.words) == sentence.text == line


@pytest.mark.slow
@pytest.mark.parity
@pytest.mark.data
def test_2000_lines_of_the_shared_corpus_have_the_words_of_the_package(lac, reference_words, shared_data):
    with open(shared_data / "corpus" / "01_wiki_articles.txt", encoding="utf-8") as stream:
        lines = [line for line in map(str.strip, stream) if line][:2000]
    assert len(lines) == 2000
    assert words_of(segment(lac, lines)) == reference_words(lines)


def test_the_words_of_a_text_do_not_depend_on_the_other_texts(lac, sample_lines):
    texts = random.Random(0).sample(sample_lines, 150) + VARIED_LINES + ["", ""]
    together = segment(lac, texts)
    assert [segment(lac, [text])[0] for text in texts] == together
    assert segment(lac, texts[::-1]) == together[::-1]


def test_an_empty_text_has_no_words_and_an_empty_list_gives_an_empty_list(lac):
    assert words_of(segment(lac, ["", "好", ""])) == [(), ("好",), ()]
    assert segment(lac, []) == []


def test_the_checksum_of_the_model_is_known(lac):
    assert (lac.name, lac.model_sha256) == ("lac", "eb4196ae598d780ff0e785dd5177df084a5ecf9481631d0f95a1ae0a17ffaddf")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lac", "使用|语言|模型|来|预测|下一个|词|的|probability|。"),
        ("jieba", "使用|语言|模型|来|预测|下|一个|词|的|probability|。"),
        ("rjieba", "使用|语言|模型|来|预测|下|一个|词|的|probability|。"),
        ("whitespace", SEED_TEXT),
        ("none", "|".join(SEED_TEXT)),
    ],
)
def test_the_running_example_by_every_segmenter(made, name, words):
    [sentence] = segment(made(name), [SEED_TEXT])
    assert "|".join(sentence.words) == words


def test_the_test_above_covers_every_segmenter():
    shown = test_the_running_example_by_every_segmenter.pytestmark[0].args[1]
    assert [name for name, _ in shown] == list(SEGMENTERS)


@pytest.mark.parametrize("name", SEGMENTERS)
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=()), max_size=30), max_size=8))
def test_words_cover_random_texts_and_do_not_depend_on_the_other_texts(made, name, texts):
    segmenter = made(name)
    starts = segmenter.word_starts(texts)
    assert (starts.dtype, starts.shape) == (np.bool_, (sum(map(len, texts)),))
    assert ["".join(sentence.words) for sentence in segment(segmenter, texts)] == texts
    assert starts.tolist() == [start for text in texts for start in segmenter.word_starts([text]).tolist()]


@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_segmenter_from_a_pickled_config_has_the_same_checksum(made, name):
    segmenter = made(name)
    again = make_segmenter(pickle.loads(pickle.dumps(SegmenterConfig(name=name))))
    assert (again.name, again.model_sha256, again.description) == (name, segmenter.model_sha256, segmenter.description)
    assert len(again.model_sha256) == 64
    assert "\n" not in again.description


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("two  words", ["two  ", "words"]),
        (" in\u3000front\tof\xa0it ", [" ", "in\u3000", "front\t", "of\xa0", "it "]),
        ("已经 分 好 的 词", ["已经 ", "分 ", "好 ", "的 ", "词"]),
        ("don't, e.g. 3.5%", ["don't, ", "e.g. ", "3.5%"]),
        ("\u200b零宽不是空白", ["\u200b零宽不是空白"]),
        ("  ", ["  "]),
    ],
)
def test_white_space_belongs_to_the_word_before_it(made, text, words):
    [sentence] = segment(made("whitespace"), [text])
    assert list(sentence.words) == words


def test_a_text_starts_a_word_even_if_the_text_before_ends_without_white_space(made):
    assert made("whitespace").word_starts(["", "a", "", "b c", " "]).tolist() == [True, True, False, True, True]


def test_jieba_prints_nothing_and_writes_nothing_to_the_temporary_folder(tmp_path):
    code = (
        "from paddle_wwm.corpus.segment import *; import sys\n"
        "print('|'.join(segment(make_segmenter(SegmenterConfig(name='jieba')), ['使用语言模型'])[0].words))\n"
        "assert 'paddle' not in sys.modules"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "使用|语言|模型\n", "")
    assert list(tmp_path.iterdir()) == []


def test_jieba_uses_the_words_of_a_user_dictionary(tmp_path, made):
    dictionary = tmp_path / "words.txt"
    dictionary.write_text("语言模型 1000 n\n\n下一个\nEdu Trust认证 2000\n", encoding="utf-8")
    segmenter = make_segmenter(SegmenterConfig(name="jieba", custom_dictionary=dictionary))
    [sentence] = segment(segmenter, [SEED_TEXT])
    assert "|".join(sentence.words) == "使用|语言模型|来|预测|下一个|词|的|probability|。"
    assert segmenter.description == "jieba 0.42.1, 3 words (0 without effect) of words.txt"
    assert segmenter.model_sha256 != made("jieba").model_sha256
    assert segment(made("jieba"), ["语言模型"])[0].words == ("语言", "模型")  # the other segmenter is unchanged


@pytest.mark.parametrize(
    ("starts", "length", "spans"),
    [([], 0, ()), ([0], 0, ()), ([0], 3, ((0, 3),)), ([0, 2, 3], 5, ((0, 2), (2, 3), (3, 5)))],
)
def test_a_word_ends_where_the_next_one_starts(starts, length, spans):
    assert spans_from_starts(starts, length) == spans


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "ltp"}, "`segmenter` must be one of lac, jieba, rjieba, whitespace, none, but is 'ltp'"),
        ({"engine": "fast"}, "`engine` must be one of auto, compiled, paddle, but is 'fast'"),
        ({"name": "jieba", "engine": "paddle"}, "`engine` is an option of the segmenter lac; leave it out for 'jieba'"),
        (
            {"name": "none", "custom_dictionary": "words.txt"},
            "`custom_dictionary` is an option of the segmenter lac and jieba; leave it out",
        ),
    ],
    ids=["name", "engine", "engine of jieba", "dictionary of none"],
)
def test_a_wrong_name_or_option_is_an_error_with_the_valid_ones(options, message):
    with pytest.raises(ConfigError) as caught:
        make_segmenter(SegmenterConfig(**options))
    assert message in str(caught.value)


@pytest.mark.skipif(HAS_RJIEBA, reason="rjieba is installed")
def test_a_segmenter_that_is_not_installed_is_an_error_with_the_install_command():
    with pytest.raises(ConfigError, match="rjieba is not installed; `pip install"):
        make_segmenter(SegmenterConfig(name="rjieba"))


LONG_LINE = "语言模型\n今天天气很好，我们去公园看花，然后回家吃饭。\n"
TRADITIONAL_LINE = "今天天氣很好，我們去公園看花，然後回家吃飯。\n"


@pytest.mark.parametrize("name", ["lac", "jieba"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "words.txt: no such file"),
        ("好\n".encode() + "语言模型".encode("gbk"), "words.txt:2: is not UTF-8 (byte 0 of the line); "),
        (LONG_LINE.encode("gbk"), "convert it: iconv -f GB18030 -t UTF-8 words.txt"),
        (TRADITIONAL_LINE.encode("big5"), "it looks like Big5: convert it: iconv -f BIG5 -t UTF-8 words.txt"),
        (
            (LONG_LINE * 20).encode() + LONG_LINE.encode("gbk"),
            "words.txt:41: is not UTF-8 (byte 0 of the line); most of the file is UTF-8, but this line looks like GB",
        ),
        ("语言模型\n下一个\n".encode("utf-16"), "words.txt:1: is not UTF-8 (byte 0 of the line); it looks like UTF-16"),
        (
            "ab\ncd\n".encode("utf-16-le"),
            "words.txt:1: holds a NUL character, as UTF-16 does; convert it: iconv -f UTF-16LE",
        ),
        ("语言模型\n好\0\n".encode(), "words.txt:2: holds a NUL character; remove it"),
        (b"PK\x03\x04\x14\0\0\0", "words.txt: must be a text file, but is a zip archive"),
        (
            ("语言\n" + "语" * 1001 + "\n").encode(),
            "words.txt:2: a phrase must have at most 1,000 characters, but this one has 1,001",
        ),
    ],
)
def test_a_wrong_dictionary_is_an_error_with_file_and_line(tmp_path, name, content, message):
    dictionary = tmp_path / "words.txt"
    if content is not None:
        dictionary.write_bytes(content)
    with pytest.raises(DataError) as caught:
        make_segmenter(SegmenterConfig(name=name, custom_dictionary=dictionary))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("lac", "胆石利通 5 nz\n云计算平台 3 n\n", "words.txt:1: '胆石利通 5 nz' has the form of jieba's dictionaries"),
        ("lac", "云计算\n\n花 开\n语言模型\t20\tn\n", r"words.txt:4: .* has the form of jieba's"),
        ("lac", "Edu Trust认证 2000\n", "words.txt:1: .* use --segmenter jieba, or write it in LAC's form"),
        ("lac", "云计算\n糖类抗原19-9 9999\n*ST舜船 5\n", "words.txt:2: "),
        ("lac", "春天/SEASON\n礼拜二/TIME#礼拜一/TIME\n", "words.txt:2: .*; separate the words of a phrase by spaces"),
        ("jieba", "云计算 3 n\n春天/SEASON\n", "words.txt:2: '春天/SEASON' has the form of LAC's dictionaries"),
        ("jieba", "花 开/v\n", "words.txt:1: .* use --segmenter lac, or write it in jieba's form"),
        ("jieba", "礼拜二/TIME#礼拜一/TIME\n", "words.txt:1: "),
    ],
)
def test_a_dictionary_of_the_other_segmenter_is_an_error_with_file_and_line(tmp_path, name, content, message):
    (tmp_path / "words.txt").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        make_segmenter(SegmenterConfig(name=name, custom_dictionary=tmp_path / "words.txt"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("lac", "胆石利通片\n晶水村\n"),
        ("lac", "苹果 5\n云计算\n花 开/v\n"),
        ("lac", "苹果/n 5/m\n"),
        ("lac", "iPhone 5 s\n云计算/n\n"),
        ("jieba", "胆石利通片\n晶水村 n\n"),
        ("jieba", "TCP/IP 5 n\nTCP/IP\n客户/服务器 3\n"),
    ],
)
def test_a_dictionary_that_both_forms_allow_is_read(tmp_path, name, content):
    (tmp_path / "words.txt").write_text(content, encoding="utf-8")
    assert (
        "words.txt" in make_segmenter(SegmenterConfig(name=name, custom_dictionary=tmp_path / "words.txt")).description
    )


def test_a_sentence_has_its_words_as_strings(sentence_of, seed_words):
    sentence = sentence_of(seed_words)
    assert sentence.text == "使用语言模型来预测下一个词的probability。"
    assert sentence.words == seed_words
    assert SegmentedSentence(text="", word_spans=()).words == ()


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(0, 1), (2, 4)], r"\(2, 4\) follows position 1"),
        ([(0, 2), (1, 4)], r"\(1, 4\) follows position 2"),
        ([(0, 0), (0, 4)], r"\(0, 0\) follows position 0"),
        ([(1, 4)], r"\(1, 4\) follows position 0"),
        ([(0, 3)], "they end at 3, the text at 4"),
        ([(0, 5)], "they end at 5, the text at 4"),
        ([], "they end at 0, the text at 4"),
    ],
)
def test_words_with_gaps_or_overlaps_or_a_wrong_end_are_refused(spans, message):
    with pytest.raises(ValueError, match=f"word_spans must cover the text.*{message}"):
        SegmentedSentence(text="使用语言", word_spans=tuple(spans))


def test_values_are_frozen_and_take_keyword_arguments_only(seed_words, sentence_of):
    with pytest.raises(dataclasses.FrozenInstanceError):
        sentence_of(seed_words).text = "别的"
    with pytest.raises(TypeError, match="positional"):
        SegmentedSentence("使用", ((0, 2),))


def test_jieba_prints_nothing_and_its_logger_stays_as_it_is(tmp_path, capfd):
    import jieba

    level = logging.DEBUG  # the default of jieba
    jieba.setLogLevel(level)
    path = tmp_path / "words.dic"
    path.write_text("南京市 5 n\n", encoding="utf-8")
    segmenter = make_segmenter(SegmenterConfig(name="jieba", custom_dictionary=path))
    assert segmenter.word_starts(["南京市"]).tolist() == [True, False, False]
    assert logging.getLogger("jieba").level == level and capfd.readouterr() == ("", "")
