"""Test reading sources as documents of sentences."""

from __future__ import annotations

import json

import pytest

from paddle_wwm.corpus.cleaning import CleaningConfig
from paddle_wwm.corpus.counts import CorpusReport
from paddle_wwm.corpus.documents import Document, read_documents
from paddle_wwm.corpus.readers import DocumentReader
from paddle_wwm.corpus.reading.options import OnError, TextForm
from paddle_wwm.corpus.sentences import SentenceRule
from paddle_wwm.errors import DataError

from .conftest import compress, parquet_bytes


def test_documents_are_read_cleaned_and_split(write):
    path = write("\n第一\u200b。第二。\n第三。\n\n---\n\n第四。\n")
    report = CorpusReport()
    assert list(read_documents(path, report=report)) == [
        Document(doc_id="corpus.txt:2", sentences=("第一。", "第二。", "第三。")),
        Document(doc_id="corpus.txt:7", sentences=("第四。",)),
    ]
    assert report.counts == {"control_characters": 1, "short_documents": 1}


def test_every_option_takes_effect(write):
    path = write(json.dumps({"body": "一\u200b；二"}) + "\n{}\n", "c.jsonl")
    documents = read_documents(
        [path],
        reader=DocumentReader(form=TextForm(text_keys=("body",)), on_error=OnError.SKIP),
        cleaning=CleaningConfig(rules=()),
        sentences=SentenceRule(ends="；"),
    )
    assert [document.sentences for document in documents] == [("一\u200b；", "二")]


@pytest.mark.parametrize(
    "content",
    ["一。\n二。\r\n\r\n三。", "\ufeff一。二。\n\n三。", "一。\r二。\n\n三。", "一。\r\n二。\r\n\r\n三。\r\n"],
)
def test_line_ends_and_byte_order_marks_do_not_matter(write, content):
    cleaning = CleaningConfig(min_document_chars=1)
    assert [document.sentences for document in read_documents(write(content), cleaning=cleaning)] == [
        ("一。", "二。"),
        ("三。",),
    ]


@pytest.mark.parametrize("content", ["\n\n \n", "\ufeff", "\u3000", "\x00\u200b"])
def test_a_file_without_text_has_no_documents(write, content):
    assert list(read_documents(write(content))) == []


def test_documents_before_bad_input_are_read(write):
    documents = read_documents(write("第一。\n\n第二。\n".encode() + b"\xff\n"))
    assert next(documents).sentences == ("第一。",)
    with pytest.raises(DataError, match=r"corpus\.txt, line 4: not UTF-8"):
        next(documents)


def test_files_are_read_in_the_given_order_and_a_document_ends_with_its_file(write):
    paths = [write("第二。", "b.txt"), write("第一。", "a.txt")]
    assert [document.doc_id for document in read_documents(paths)] == ["b.txt:1", "a.txt:1"]


def test_the_sample_corpus_is_the_same_in_every_format_and_compression(sample_corpus, write):
    text = sample_corpus.read_text(encoding="utf-8")
    expected = [document.sentences for document in read_documents(sample_corpus)]
    assert len(expected) > 100
    texts = [document for document in text.split("\n\n") if document.strip()]
    records = "".join(
        json.dumps({"text": one}, ensure_ascii=number % 2 == 0) + "\n" for number, one in enumerate(texts)
    )
    plain = {".txt": text.encode(), ".jsonl": records.encode(), ".parquet": parquet_bytes(text=texts)}
    for inner, data in plain.items():
        for ending in ("", ".gz", ".xz", ".zst"):
            path = write(compress(data, ending), f"sample{inner}{ending}")
            assert [document.sentences for document in read_documents(path)] == expected, path.name
