"""Test that a custom dictionary changes the words exactly as `LAC.load_customization` does."""

from __future__ import annotations

import hashlib
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.corpus.lac import import_lac_package
from paddle_wwm.corpus.segment import SegmenterConfig, make_segmenter, segment

TEXTS = [
    "使用语言模型来预测下一个词的probability。",
    "春天的花开秋天的风以及冬天的落阳",
    "南京市长江大桥，南京市长江大桥",
    "我们在 New York 生活，ＡＢＣ公司很好",
    "繁體中文的語言模型",
    "好",
]
DICTIONARIES = {
    "words": "语言模型\n下一个词\n",
    "words in pieces": "花 开\n秋天 的 风\n冬天的 落 阳\n",
    "parts of speech": "春天/SEASON\n花/n 开/v\n秋天的风\n落 阳\n",
    "overlapping": "市长\n南京市\n南京市长江\n长江大桥\n江大\n",
    "one inside another": "南京\n南京 市\n南京市长江大桥\n大桥，南\n",
    "one character": "的\n词/n\n我/r\n来/v 预测\n",
    "slashes": "/语言\n模型/\n来/预/测\n花//n\n",
    "repeated phrases": "语言模型\n语言 模型\n下 一个\n下一个\n",
    "spaces, tabs and empty lines": "\n  花\t开  \n\u3000秋天\u3000的风\n\r\n语 言\r\n",
    "not simplified, not half-width": "繁體中文\n语言\nＡＢＣ\nABC\n",
    "the end of the text": "落阳\n。\n的 落阳\n",
    "nothing": "",
}


WITH_SEPARATOR = {
    "words and tags": ("#", "礼拜二/TIME#礼拜一/TIME\n花/n#开/v\n秋天#的#风\n语言模型\n"),
    "empty words": ("#", "#花开\n秋天##的风\n语言模型#\n###\n#来/v\n"),
    "white space belongs to words": ("#", "New York\n我们 在# New\n 落 阳 \n"),
    "tabs": ("\t", "New York\t生活\n花\t开\n下一个\n"),
    "one space": (" ", "花 开\n秋天  的风\n"),
    "several characters": ("||", "花||开\n秋天|的风\n"),
    "a slash": ("/", "花/开\n春天/的\n"),
}


def lac_with(*paths, separator=None):
    config = SegmenterConfig(
        name="lac", custom_dictionary=paths or None, dictionary_separator=separator, engine="paddle"
    )
    return make_segmenter(config)


@pytest.fixture(scope="module")
def reference():
    """The segmenter of the package; every test loads its dictionary into it."""
    return import_lac_package().LAC(mode="seg")


@pytest.mark.parity
@pytest.mark.parametrize("name", DICTIONARIES)
def test_the_words_are_equal_to_those_of_the_package(reference, tmp_path, name):
    path = tmp_path / "words.dic"
    path.write_bytes(DICTIONARIES[name].encode())
    reference.load_customization(str(path))
    found = [list(sentence.words) for sentence in segment(lac_with(path), TEXTS)]
    assert found == reference.run(list(TEXTS))


@pytest.mark.parity
@pytest.mark.parametrize("name", WITH_SEPARATOR)
def test_a_separator_gives_the_words_of_the_package_with_the_same_separator(reference, tmp_path, name):
    separator, content = WITH_SEPARATOR[name]
    path = tmp_path / "words.dic"
    path.write_text(content, encoding="utf-8")
    reference.load_customization(str(path), sep=separator)
    texts = [*TEXTS, "礼拜二礼拜一", "花开花|开，秋天的风"]
    found = [list(sentence.words) for sentence in segment(lac_with(path, separator=separator), texts)]
    assert found == reference.run(list(texts))


@pytest.mark.parity
def test_several_files_give_the_words_of_the_package_with_the_joined_file(reference, tmp_path):
    first, second, joined = (tmp_path / name for name in ("first.dic", "second.dic", "joined.dic"))
    first.write_text("语言模型\n花 开\n南京市长江\n", encoding="utf-8")
    second.write_text("语言 模型\n花开\n市长\n", encoding="utf-8")
    for paths in ((first, second), (second, first)):
        joined.write_text("".join(path.read_text(encoding="utf-8") for path in paths), encoding="utf-8")
        reference.load_customization(str(joined))
        found = [list(sentence.words) for sentence in segment(lac_with(*paths), TEXTS)]
        assert found == reference.run(list(TEXTS))


@pytest.mark.parity
def test_byte_order_marks_at_the_start_of_lines_are_not_part_of_the_words(reference, tmp_path):
    path, without = tmp_path / "words.dic", tmp_path / "without.dic"
    path.write_bytes("\ufeff语言模型\r\n\ufeff花 开\r\n".encode())
    without.write_bytes("语言模型\n花 开\n".encode())
    reference.load_customization(str(without))
    assert [list(sentence.words) for sentence in segment(lac_with(path), TEXTS)] == reference.run(list(TEXTS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("dictionaries")


@pytest.mark.parity
@settings(max_examples=40, deadline=None)
@given(
    lines=st.lists(st.text(st.sampled_from("天地玄黄 /n"), max_size=6), max_size=8),
    texts=st.lists(st.text(st.sampled_from("天地玄黄/ n"), min_size=1, max_size=25), min_size=1, max_size=4),
    separator=st.sampled_from([None, None, "黄", " ", "玄黄"]),
)
def test_random_dictionaries_give_the_words_of_the_package(reference, folder, lines, texts, separator):
    path = folder / "words.dic"
    path.write_text("\n".join([*lines, "地天"]), encoding="utf-8")  # a dictionary without any effect is refused
    reference.load_customization(str(path), sep=separator)
    found = [list(sentence.words) for sentence in segment(lac_with(path, separator=separator), texts)]
    assert found == reference.run(list(texts))


def test_the_dictionary_works_with_both_engines_and_any_batch(tmp_path):
    path = tmp_path / "words.dic"
    path.write_text("语言模型\n花 开\n", encoding="utf-8")
    paddle, auto = lac_with(path), make_segmenter(SegmenterConfig(custom_dictionary=path))
    assert segment(auto, TEXTS) == segment(paddle, TEXTS) == [segment(auto, [text])[0] for text in TEXTS]


def test_the_dictionary_is_part_of_the_checksum_and_of_the_description(tmp_path):
    path, other = tmp_path / "words.dic", tmp_path / "other.dic"
    path.write_text("语言模型\n的\n花 开\n", encoding="utf-8")
    other.write_text("语言模型\n", encoding="utf-8")
    lac = lac_with(path)
    assert lac.description == "lac, Paddle inference, 2 phrases (1 lines without effect) of words.dic"
    assert (
        len(
            {
                lac.model_sha256,
                lac_with(other).model_sha256,
                make_segmenter(SegmenterConfig(engine="paddle")).model_sha256,
            }
        )
        == 3
    )
    assert lac_with(path).model_sha256 == lac.model_sha256


def test_the_checksum_with_one_dictionary_is_that_of_earlier_versions_and_others_differ(tmp_path):
    first, second = tmp_path / "first.dic", tmp_path / "second.dic"
    first.write_text("语言模型\n花#开\n", encoding="utf-8")
    second.write_text("下一个\n", encoding="utf-8")
    model = make_segmenter(SegmenterConfig(engine="paddle")).model_sha256
    of_file = hashlib.sha256(first.read_bytes()).hexdigest()
    expected = hashlib.sha256(f"{model} {of_file}".encode()).hexdigest()
    separator = {"separator": " "}
    assert lac_with(first).model_sha256 == lac_with(*[str(first)]).model_sha256 == expected
    others = [((first,), {"separator": "#"}), ((first,), separator), ((first, second), {}), ((second, first), {})]
    found = [lac_with(*paths, **options).model_sha256 for paths, options in others]
    assert len({expected, *found}) == 5


def test_the_names_and_counts_of_several_dictionaries_are_in_the_description(tmp_path):
    first, second = tmp_path / "first.dic", tmp_path / "second.dic"
    first.write_text("语言模型\n的\n花 开\n", encoding="utf-8")
    second.write_text("语言 模型\n", encoding="utf-8")
    description = "lac, Paddle inference, 2 phrases (1 lines without effect) of first.dic, second.dic"
    assert lac_with(first, second).description == description
    assert pickle.loads(pickle.dumps(lac_with(first, second))).description == description
