"""Test reading user dictionaries: their forms, several files, and lines that cannot have an effect."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest

from paddle_wwm import load_segmenter
from paddle_wwm.corpus.segment import SegmenterConfig, dictionary_of, make_segmenter, segment
from paddle_wwm.errors import ConfigError, DataError


@pytest.fixture
def file_of(tmp_path):
    """A function that writes a dictionary and returns its path."""

    def write(content, name="words.dic"):
        path = tmp_path / name
        path.write_bytes(content.encode("utf-8"))
        return path

    return write


def with_dictionary(name, *paths, separator=None):
    """Return a segmenter with these dictionaries."""
    return make_segmenter(SegmenterConfig(name=name, custom_dictionary=paths, dictionary_separator=separator))


def words(segmenter, text):
    """Return the words of a text as 花|开."""
    [sentence] = segment(segmenter, [text])
    return "|".join(sentence.words)


def test_jieba_reads_several_files_one_after_the_other_as_jieba_does(file_of):
    import jieba

    first = file_of("语言模型 1000 n\n下一个词\n预测下 5\n", "first.dic")
    second = file_of("语言模型 1\n一个词的 900000\n", "second.dic")
    text = "使用语言模型来预测下一个词的概率。"
    for paths in ((first,), (first, second), (second, first)):
        reference = jieba.Tokenizer()
        reference.FREQ, reference.total = jieba.Tokenizer.gen_pfdict(reference.get_dict_file())
        reference.initialized = True
        for path in paths:
            with open(path, "rb") as stream:
                reference.load_userdict(stream)
        assert words(with_dictionary("jieba", *paths), text) == "|".join(reference.lcut(text))


@pytest.mark.parametrize(
    ("line", "text", "expected"),
    [
        ("Edu Trust认证 2000", "通过了Edu Trust认证。", "通过|了|Edu Trust认证|。"),
        ("*ST舜船 5", "*ST舜船大涨", "*ST舜船|大涨"),
        ("糖类抗原19-9 9999", "检查糖类抗原19-9。", "检查|糖类抗原19-9|。"),
        ("客户/服务器 3 n", "客户/服务器的模型", "客户/服务器|的|模型"),
        ("C 语言", "学习C 语言", "学习|C 语言"),
    ],
)
def test_a_word_with_any_character_is_one_word_for_jieba(file_of, line, text, expected):
    segmenter = with_dictionary("jieba", file_of(line + "\n"))
    assert words(segmenter, text) == expected
    assert words(with_dictionary("jieba"), text) != expected


def test_the_checksum_of_jieba_is_that_of_earlier_versions_unless_they_ignored_a_word(file_of):
    plain, ignored = file_of("语言模型 1000 n\n", "plain.dic"), file_of("*ST舜船 5\n", "ignored.dic")
    import jieba

    package = Path(jieba.__file__).parent
    model = [package / "__init__.py", package / "dict.txt", *sorted(package.glob("finalseg/*.py"))]
    for path, is_equal in ((plain, True), (ignored, False)):
        sums = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (*model, path)]
        of_earlier_versions = hashlib.sha256("\n".join(sums).encode()).hexdigest()
        assert (with_dictionary("jieba", path).model_sha256 == of_earlier_versions) == is_equal


@pytest.mark.parametrize("content", ["\ufeff打底裤 10000\n", "语言模型\n\ufeff打底裤 10000 n\r\n"])
def test_jieba_reads_a_dictionary_with_a_byte_order_mark(file_of, content):
    assert words(with_dictionary("jieba", file_of(content)), "打底裤很好") == "打底裤|很|好"
    assert words(with_dictionary("jieba"), "打底裤很好") == "打|底裤|很|好"


def test_a_frequency_of_0_holds_for_its_segmenter_only(file_of):
    split, plain = with_dictionary("jieba", file_of("杭研 0\n")), with_dictionary("jieba")
    for _ in range(2):
        assert words(split, "他来到了网易杭研大厦") == "他|来到|了|网易|杭|研|大厦"
        assert words(plain, "他来到了网易杭研大厦") == "他|来到|了|网易|杭研|大厦"


def test_the_last_line_of_a_phrase_counts_and_the_earlier_ones_are_listed(file_of):
    first, second = file_of("花开\n花 开\n落阳\n", "first.dic"), file_of("落 阳\n", "second.dic")
    dictionary = dictionary_of(with_dictionary("lac", first, second))
    assert {phrase: entry.cuts for phrase, entry in dictionary.entries.items()} == {"花开": (1,), "落阳": (1,)}
    assert dictionary.places == {"花开": "first.dic:2", "落阳": "second.dic:1"}
    assert [(remark.place, remark.text) for remark in dictionary.remarks] == [
        ("first.dic:1", "花开"),
        ("first.dic:3", "落阳"),
    ]
    assert words(with_dictionary("lac", first, second), "花开落阳") == "花|开|落|阳"


def test_lines_without_effect_are_counted_with_their_place_and_reason(file_of):
    lac = dictionary_of(with_dictionary("lac", file_of("语言模型\n的\n词/n\n", "a.dic")))
    jieba = dictionary_of(with_dictionary("jieba", file_of("语言模型\n云计算\t3\n下一个\n", "b.dic")))
    assert (lac.num_without_effect, jieba.num_without_effect) == (1, 1)
    [remark] = lac.remarks
    assert (remark.place, remark.text) == ("a.dic:2", "的 (a single character needs a part of speech: 的/n)")
    [remark] = jieba.remarks
    assert remark.place == "b.dic:2" and "one space between word, frequency and tag" in remark.text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("lac", "的\n我\n", r"words\.dic:1: '的': a single character needs a part of speech: 的/n\. No line"),
        ("jieba", "云计算\t3\tn\n语言模型\t5\tn\n下一个\n", r"words\.dic:1: .*separate word, frequency and tag"),
        ("jieba", "下一个\n云计算,3,n\n语言模型,5\n", r"words\.dic:2: .*separate word, frequency and tag"),
        ("jieba", "云计算 3 N\n", r"words\.dic:1: .*tag \(small letters\) by one space"),
        ("jieba", "云计算  3 n\n", r"words\.dic:1: .*by one space"),
        ("lac", "礼拜二#礼拜一\n语言#模型\n", r"words\.dic:1: '礼拜二#礼拜一' joins words with '#'.*-separator '#'"),
        ("lac", "语言模型\n云计算,n\n礼拜二,t\n", r"words\.dic:2: .* joins words with ','"),
        ("lac", "礼拜二/TIME、礼拜一/TIME\n语言模型\n", r"words\.dic:1: .* joins words with '、'"),
    ],
)
def test_a_dictionary_whose_lines_would_be_misread_is_an_error_with_the_remedy(file_of, name, content, message):
    with pytest.raises(DataError, match=message):
        with_dictionary(name, file_of(content))


@pytest.mark.parametrize(
    ("separator", "content", "message"),
    [
        ("|", "礼拜二/TIME#礼拜一/TIME\n", r"words\.dic:1: .*joins words with '#', but the separator is '\|'"),
        ("#", "打底裤 10000\n语言模型 5\n", r"words\.dic:1: .* has the form of jieba's"),
        ("#", "花#开\n胆石利通 5 nz\n", r"words\.dic:2: .* has the form of jieba's"),
    ],
)
def test_another_form_is_refused_with_a_separator_too(file_of, separator, content, message):
    with pytest.raises(DataError, match=message):
        with_dictionary("lac", file_of(content), separator=separator)


@pytest.mark.parametrize(
    ("separator", "content", "text", "expected"),
    [
        ("#", "礼拜二/TIME#礼拜一/TIME\n", "礼拜二礼拜一", "礼拜二|礼拜一"),
        ("\t", "Edu Trust认证\n", "Edu Trust认证", "Edu Trust认证"),
        (" ", "花#开 了\n", "花#开了", "花#开|了"),
        ("#", "iPhone 5\niPhone 6\n花#开\n", "iPhone 5", "iPhone 5"),
    ],
)
def test_a_separator_reads_what_would_be_refused_or_cut(file_of, separator, content, text, expected):
    assert words(with_dictionary("lac", file_of(content), separator=separator), text) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dictionary_separator": "#"}, "`dictionary_separator` needs `custom_dictionary`"),
        ({"name": "jieba", "dictionary_separator": "#"}, "`dictionary_separator` is an option of the segmenter lac"),
        ({"name": "none", "custom_dictionary": ("a.dic",)}, "`custom_dictionary` is an option of the segmenter lac"),
    ],
)
def test_options_of_dictionaries_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        make_segmenter(SegmenterConfig(**options))


def test_an_empty_separator_is_refused(file_of):
    with pytest.raises(ConfigError, match="`dictionary_separator` must have at least one character"):
        with_dictionary("lac", file_of("语言模型\n"), separator="")


def test_a_missing_second_file_is_an_error(file_of, tmp_path):
    with pytest.raises(DataError, match=r"absent\.dic: no such file"):
        with_dictionary("lac", file_of("语言模型\n"), tmp_path / "absent.dic")


def test_a_library_user_gives_one_file_or_several(file_of):
    first, second = file_of("语言模型\n", "first.dic"), file_of("花#开\n", "second.dic")
    one = load_segmenter("lac", user_dictionary=str(first))
    several = load_segmenter("lac", user_dictionary=[first, str(second)], dictionary_separator="#")
    assert words(one, "语言模型") == words(several, "语言模型") == "语言模型"
    assert words(several, "花开") == "花|开"
    assert dictionary_of(one).names == ("first.dic",) and dictionary_of(load_segmenter("none")) is None
    assert words(pickle.loads(pickle.dumps(several)), "花开") == "花|开"
