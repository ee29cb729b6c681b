"""Text files to documents of sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_wwm.corpus.documents import check_sources, group_documents, read_documents, split_sentences
from paddle_wwm.errors import DataError
from paddle_wwm.types import Document


@pytest.fixture
def corpus_of(tmp_path):
    """A function that writes bytes or text to a file and gives its path."""

    def write(content, name="corpus.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


def without_white_space(text):
    return "".join(text.split())


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("今天下雨。明天呢？好！", ["今天下雨。", "明天呢？", "好！"]),
        ("他说：“走吧。”然后走了。", ["他说：“走吧。”", "然后走了。"]),
        ("（完。）「好！」『真的？』再见", ["（完。）", "「好！」", "『真的？』", "再见"]),
        ("什么？！不会吧！！！嗯。。。", ["什么？！", "不会吧！！！", "嗯。。。"]),
        ("没有句号的一行", ["没有句号的一行"]),
        ("version 2.0 is out. 新版！", ["version 2.0 is out. 新版！"]),
        ("。开头是句号", ["。", "开头是句号"]),
        ("\u3000\u3000空格在外。  空格 在内。 \r\n", ["空格在外。", "空格 在内。"]),
        ("", []),
        (" \t\u3000\r\n", []),
    ],
)
def test_a_sentence_ends_at_its_end_mark_and_closing_quotes_stay_with_it(line, sentences):
    assert split_sentences(line) == sentences


@given(st.text(alphabet=st.sampled_from("语言a1。！？”』）) \t\u3000，\"'\r\u2028😀"), max_size=60) | st.text(max_size=40))
def test_splitting_a_line_loses_nothing_but_white_space(line):
    sentences = split_sentences(line)
    assert without_white_space("".join(sentences)) == without_white_space(line)
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)


def test_a_blank_line_separates_documents_and_an_identifier_names_the_file_and_the_first_line(corpus_of):
    path = corpus_of("\n第一。第二。\n第三。\n\n \u3000\n\n第四。\n")
    assert list(read_documents(path)) == [
        Document(doc_id="corpus.txt:2", sentences=("第一。", "第二。", "第三。")),
        Document(doc_id="corpus.txt:7", sentences=("第四。",)),
    ]


@pytest.mark.parametrize("content", ["\ufeff一。\r\n二。\r\n\r\n三。", "一。\n二。\n\n三。\n\n\n", "一。二。\n\n三。"])
def test_byte_order_mark_line_ends_and_the_end_of_the_file_do_not_matter(corpus_of, content):
    assert [document.sentences for document in read_documents(corpus_of(content))] == [("一。", "二。"), ("三。",)]


@pytest.mark.parametrize("content", ["", "\n\n \n", "\ufeff", "\u3000"])
def test_a_file_without_text_has_no_documents(corpus_of, content):
    assert list(read_documents(corpus_of(content))) == []


def test_bytes_that_are_not_utf8_are_an_error_that_names_file_line_and_remedy(corpus_of):
    path = corpus_of("一。\n\n二。\n".encode() + "三好。\n".encode("gb18030"))
    documents = read_documents(path)
    assert next(documents).sentences == ("一。",), "what comes before the bad line is read, one document at a time"
    with pytest.raises(DataError, match=r"corpus\.txt, line 4: not UTF-8 \(byte 0 of the line\).*iconv -f GB18030 -t UTF-8 corpus\.txt"):
        next(documents)


def test_sources_that_can_be_read_come_back_in_the_order_given(corpus_of):
    second, first = corpus_of("乙", "b.txt"), corpus_of("甲", "a.txt")
    assert check_sources([str(second), first]) == (second, first)


@pytest.mark.parametrize(
    ("name", "message"),
    [("absent.txt", "no such file"), ("folder", "is a folder, not a text file"), ("empty.txt", "the file is empty")],
)
def test_a_source_that_cannot_be_read_is_an_error_that_names_it_even_behind_a_good_one(corpus_of, tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    corpus_of("", "empty.txt")
    with pytest.raises(DataError, match=f"{name}: {message}"):
        check_sources([corpus_of("好。"), tmp_path / name])


def test_no_source_at_all_is_an_error():
    with pytest.raises(DataError, match="no corpus files were given"):
        check_sources([])


@given(lengths=st.lists(st.integers(1, 30), max_size=20), max_chars=st.integers(1, 50))
def test_groups_keep_every_document_in_order_and_are_closed_by_the_document_that_fills_them(lengths, max_chars):
    documents = [Document(doc_id=str(number), sentences=("字" * length,)) for number, length in enumerate(lengths)]
    groups = list(group_documents(documents, max_chars=max_chars))
    assert [document for group in groups for document in group] == documents
    sizes = [[len(document.sentences[0]) for document in group] for group in groups]
    assert all(sum(size[:-1]) < max_chars for size in sizes)
    assert all(sum(size) >= max_chars for size in sizes[:-1])
