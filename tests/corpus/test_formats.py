"""Test reading every format: what is a document, which fields hold the text, and which encoding it has."""

from __future__ import annotations

import csv
import io
import json

import pyarrow
import pytest
from pyarrow import ipc

from paddle_wwm.corpus.counts import CorpusReport
from paddle_wwm.corpus.formats import Format
from paddle_wwm.corpus.readers import DocumentReader
from paddle_wwm.corpus.reading import csv_rows, intake, json_array
from paddle_wwm.corpus.reading.options import DocumentUnit, OnError, TextForm
from paddle_wwm.corpus.source_files import find_sources
from paddle_wwm.errors import DataError

from .conftest import compress, parquet_bytes

TEXT = "第一。\n第二。\n\n第三。\n"


def strict(read, path, **form):
    documents, report = read(path, on_error=OnError.FAIL, **form)
    assert report.characters["read"] == report.characters["markup"] + report.characters["white_space"] + sum(
        len(line) for _, *lines in documents for line in lines
    )
    return documents


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (DocumentUnit.BLANK_LINE, [("c.txt:1", "第一。", "第二。"), ("c.txt:4", "第三。")]),
        (DocumentUnit.LINE, [("c.txt:1", "第一。"), ("c.txt:2", "第二。"), ("c.txt:4", "第三。")]),
        (DocumentUnit.FILE, [("c.txt:1", "第一。", "第二。", "第三。")]),
    ],
)
def test_a_document_is_what_the_user_chooses(write, read, unit, expected):
    assert strict(read, write(TEXT, "c.txt"), document=unit) == expected


WIKI = (
    '<doc id="13" url="https://zh.wikipedia.org" title="数学">\n数学\n\n数学是&lt;研究&gt;。\n\n</doc>\n\n'
    '<doc id="18" url="x" title="哲学">\n哲学\n</doc>\n'
)


@pytest.mark.parametrize("name", ["wiki_00", "wiki_00.bz2", "a.txt"])
def test_doc_tags_are_documents_and_their_blank_lines_are_not_ends(write, read, name):
    path = write(compress(WIKI.encode(), name), name)
    expected = [(f"{name}:1", "数学", "数学是<研究>。"), (f"{name}:8", "哲学")]
    assert strict(read, path) == expected
    with pytest.raises(ValueError, match="'zh-xx'"):
        TextForm(variant="zh-xx")


@pytest.mark.parametrize(
    ("content", "message", "left"),
    [
        ("<doc id=1>\n一。\n</doc>\n外面\n", "line 4: is text outside of <doc>", ["一。"]),
        ("<doc id=1>\n一。\n<doc id=2>\n二。\n</doc>\n", "line 1: the document is not closed", ["一。", "二。"]),
        ("<doc id=1>\n一。\n", "line 1: the document is not closed with </doc>; is the file cut short", ["一。"]),
        ("<doc id=1>\n一。\n</doc>\n</doc>\n", "line 4: closes a document that was not opened", ["一。"]),
    ],
)
def test_wrong_doc_tags_are_errors_with_their_line(write, read, content, message, left):
    path = write(content, "wiki_00")
    with pytest.raises(DataError, match=message):
        read(path, on_error=OnError.FAIL)
    documents, report = read(path)
    assert [line for _, line in documents] == left and report.counts["bad_records"] == 1


RECORD = {
    "id": 1,
    "title": "题",
    "data": {"body": ["一。", ["二。"]], "more": None},
    "a.b": "点",
    "parts": [{"t": "甲"}, {"t": "乙"}],
}


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        (("title",), ["题"]),
        (("data.body",), ["一。", "二。"]),
        (("title", "data.body"), ["题", "一。", "二。"]),
        (("title", "data.more"), ["题"]),
        (("a.b",), ["点"]),
        (("parts.t",), ["甲", "乙"]),
    ],
)
@pytest.mark.parametrize("form", ["lines", "array", "indented array", "indented objects", "arrow", "parquet"])
def test_text_is_found_by_nested_and_several_keys_in_every_kind_of_record(write, read, keys, lines, form):
    if form in ("arrow", "parquet"):
        table = dict(RECORD, data={"body": ["一。", "二。"], "more": None})
        columns = {name: [value, value] for name, value in table.items()}
        columns["data"] = pyarrow.array(
            columns["data"], pyarrow.struct([("body", pyarrow.list_(pyarrow.string())), ("more", pyarrow.string())])
        )
        data = arrow_bytes(pyarrow.table(columns), is_stream=True) if form == "arrow" else parquet_bytes(**columns)
        path = write(data, f"c.{form}")
    else:
        text = {
            "lines": "\n".join([json.dumps(RECORD)] * 2),
            "array": json.dumps([RECORD, RECORD]),
            "indented array": json.dumps([RECORD, RECORD], indent=2, ensure_ascii=False),
            "indented objects": "\n".join([json.dumps(RECORD, indent=1)] * 2),
        }[form]
        path = write("\ufeff" + text, "c.json")
    documents = strict(read, path, text_keys=keys)
    assert [list(found) for _, *found in documents] == [lines, lines]
    assert [doc_id for doc_id, *_ in documents] == ["c." + path.suffix[1:] + ":1", "c." + path.suffix[1:] + ":2"]


def test_strings_are_records_and_null_or_a_missing_key_is_an_error(write, read):
    assert strict(read, write('["一。", "二。"]', "c.json")) == [("c.json:1", "一。"), ("c.json:2", "二。")]
    for record, message in (
        ('{"text": null}', "'text' must be a string or a list of strings, but is null"),
        ('{"txt": "x"}', "must have the key 'text', but has txt; see --text-key"),
        ('{"text": [1]}', "'text' must be a string or a list of strings, but is a int"),
        ('{"text": {"a": "x"}}', "'text' must be a string or a list of strings, but is a dict"),
        ("5", "must have the key 'text', but is a int"),
    ):
        path = write('[{"text": "好"},\n ' + record + "]", "d.json")
        with pytest.raises(DataError, match=rf"d\.json, element 2 \(line 2\): {message}"):
            read(path, on_error=OnError.FAIL)
        documents, report = read(path)
        assert (documents, dict(report.counts)) == ([("d.json:1", "好")], {"bad_records": 1})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"text": "一"},\n {"text": "二"} {"text": "三"}]', r"line 2: not valid JSON \(a comma is missing"),
        ('[{"text": "一"},\n {"text": "二"}', r"not valid JSON \(the array is not closed; is the file cut short"),
        ('[{"text": "一"},\n {"text": "二"}] x', r"line 2: not valid JSON \(there is text after the end"),
        ('[{"text": "一"},\n {"text": "二"}, {"text": ]', r"line 2: not valid JSON \(Expecting value"),
    ],
)
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_a_damaged_json_array_is_an_error_with_its_line_and_is_read_up_to_there(
    write, read, monkeypatch, content, message, block
):
    monkeypatch.setattr(json_array, "_BLOCK_BYTES", block)
    path = write(content, "c.json")
    with pytest.raises(DataError, match=message):
        read(path, on_error=OnError.FAIL)
    documents, report = read(path)
    assert [line for _, line in documents] == ["一", "二"] and report.counts == {"broken_files": 1}


def test_a_large_json_array_is_read_as_a_stream(write, read, monkeypatch):
    monkeypatch.setattr(json_array, "_BLOCK_BYTES", 100)
    texts = [f"第{number}个，" + "字" * (number * 37 % 900) for number in range(300)]
    documents = strict(read, write(json.dumps([{"text": text} for text in texts], ensure_ascii=False), "c.json"))
    assert [line for _, line in documents] == texts


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ('[{"text": "一"},\n {"text": "' + "字" * 400_000 + '"},\n {"text": "三"}]', r"element 2 \(line 2\)"),
        ('[{"text": "一"},\n {"text": "' + "字" * 3_000_000 + '"}]', r"element 2 \(line 2\)"),
        ('{"text":\n "一"}\n{"text":\n "' + "字" * 400_000 + '"}', r"element 2 \(line 3\)"),
        ('[{"text": "一"},\n {"text": "二}, ' + "三, " * 400_000 + "]", r"element 2 \(line 2\)"),
        ('[{"text": "一"},\n {"text": [' + "[1],\n" * 300_000, r"element 2 \(line 2\)"),
    ],
)
def test_an_element_of_json_that_is_too_long_is_named_with_its_number_and_the_limit(
    write, read, monkeypatch, content, place
):
    monkeypatch.setattr(json_array, "MAX_RECORD_BYTES", 1 << 20)
    path = write(content, "c.json")
    with pytest.raises(DataError, match=rf"c\.json, {place}: is longer than 1 MB, or a quote or bracket"):
        read(path, on_error=OnError.FAIL)
    documents, report = read(path)
    assert [line for _, line in documents] == ["一"] and report.counts == {"broken_files": 1}


def test_a_fault_in_a_long_element_of_json_is_named_and_not_the_length(write, read, monkeypatch):
    monkeypatch.setattr(json_array, "MAX_RECORD_BYTES", 1 << 20)
    path = write('[{"text": "一"},\n {"text" "' + "字" * 3_000_000 + '"}]', "c.json")
    with pytest.raises(DataError, match=r"line 2: not valid JSON \(Expecting ':' delimiter"):
        read(path, on_error=OnError.FAIL)


def arrow_bytes(table, *, is_stream):
    stream = io.BytesIO()
    with (ipc.new_stream if is_stream else ipc.new_file)(stream, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    return stream.getvalue()


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("ending", ["", ".zst"])
def test_arrow_files_and_streams_are_tables(write, read, is_stream, ending):
    texts = [f"{number}。" for number in range(8)]
    path = write(compress(arrow_bytes(pyarrow.table({"text": texts}), is_stream=is_stream), ending), f"c.arrow{ending}")
    assert [line for _, line in strict(read, path)] == texts
    with pytest.raises(DataError, match=r"'body' does not exist \(columns: text \(string\)\)"):
        read(path, on_error=OnError.FAIL, text_keys=("body",))


CSV = 'label,review\r\n1,"很快，好吃"\r\n1,"没有送水\r\n没有""送水"""\r\n\r\n0,太差了。\r\n'


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_csv_fields_may_have_commas_quotes_and_line_ends(write, read, name):
    path = write(compress(("\ufeff" + CSV).encode(), name), name)
    expected = [("2", "很快，好吃"), ("3", "没有送水", '没有"送水"'), ("6", "太差了。")]
    assert strict(read, path, text_keys=("review",)) == [(f"{name}:{line}", *lines) for line, *lines in expected]
    assert strict(read, path, text_keys=("label", "review"))[0] == (f"{name}:2", "1", "很快，好吃")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_header_shows_the_delimiter_of_a_csv_file(write, read, delimiter):
    path = write(f"label{delimiter}text\n1{delimiter}一，二，三,四\n", "a.csv")
    assert strict(read, path) == [("a.csv:2", "一，二，三,四")]


def test_a_number_is_a_column_of_a_table_without_a_header(write, read):
    assert strict(read, write("1\t一。\n0\t二。\n", "a.tsv"), text_keys=("1",)) == [
        ("a.tsv:1", "一。"),
        ("a.tsv:2", "二。"),
    ]


def test_quotes_in_tsv_are_ordinary_unless_they_enclose_a_field(write, read):
    path = write('text\tlabel\n他说"好\t1\n"他说""好"""\t1\n"\t1\n', "a.tsv")
    assert [line for _, line in strict(read, path)] == ['他说"好', '他说"好"', '"']


@pytest.mark.parametrize(
    ("name", "content", "message", "rule"),
    [
        ("a.csv", "label,review\n1,x\n", r"line 1: .*'text' does not exist \(columns: label, review\)", "broken_files"),
        ("a.csv", "text,text\n1,x\n", "'text' is in the header twice", "broken_files"),
        ("a.csv", "text,label\nx\n", "line 2: the row has 1 fields, but must have 2", "bad_records"),
        ("a.tsv", "text\tlabel\nx\n", "line 2: the row has 1 fields, .* add --format csv", "bad_records"),
        (
            "a.csv",
            'text,label\n"x,1\ny,2\n',
            r"line 2: cannot be read as CSV .*is a double quote not closed",
            "broken_files",
        ),
        ("a.csv", "text,label\n", "the table has no rows", "empty_files"),
        ("a.csv", b"text,label\n\xff,1\n", "line 2: not UTF-8", "invalid_utf8"),
        (
            "a.csv",
            'text,"label\nx,1\n',
            r"line 1: cannot be read as CSV .*is a double quote not closed",
            "broken_files",
        ),
        ("a.csv", '"text"x,label\nx,1\n', r"line 1: cannot be read as CSV", "broken_files"),
    ],
)
def test_a_wrong_table_is_an_error_with_its_line(write, read, name, content, message, rule):
    path = write(content, name)
    with pytest.raises(DataError, match=message):
        read(path, on_error=OnError.FAIL)
    documents, report = read(path)
    assert (documents, dict(report.counts)) == ([], {rule: 1})


@pytest.mark.parametrize(
    ("name", "content", "message", "texts", "counts"),
    [
        # the header is at fault, not the first row
        ("a.csv", b"text,\xff\n\xe5\xa5\xbd,1\n", "line 1: not UTF-8", ["好"], {"invalid_utf8": 1}),
        ("a.tsv", b"text\t\xff\nx\t1\n", "line 1: not UTF-8", ["x"], {"invalid_utf8": 1}),
        ("a.csv", "文本,text2\nx,1\n".encode("gbk"), "line 1: not UTF-8", [], {"invalid_utf8": 1, "broken_files": 1}),
        ("a.csv", b'text,"\xff\nx,1\n', "line 1: not UTF-8", [], {"invalid_utf8": 1, "broken_files": 1}),
    ],
)
def test_a_header_that_is_not_utf8_is_named_and_no_row_is_lost(write, read, name, content, message, texts, counts):
    path = write(content, name)
    with pytest.raises(DataError, match=message):
        read(path, on_error=OnError.FAIL)
    documents, report = read(path)
    assert ([line for _, line in documents], dict(report.counts)) == (texts, counts)


def test_a_header_or_a_field_may_be_longer_than_the_limit_of_python(write, read):
    limit = csv.field_size_limit()
    column, text = "c" * (limit + 1), "字" * (limit + 1)
    assert [line for _, line in strict(read, write(f'"{column}",text\nx,{text}\n', "a.csv"))] == [text]
    assert csv.field_size_limit() == limit


def test_a_line_of_a_table_that_is_too_long_is_an_error_with_its_line(write, read, monkeypatch):
    monkeypatch.setattr(csv_rows, "MAX_RECORD_BYTES", 1 << 20)
    for name in ("a.csv", "a.tsv"):
        path = write("text\nx\n" + "y" * (1 << 20) + "y\nz\n", name)
        with pytest.raises(DataError, match=r"line 3: cannot be read as .* \(line 3 is longer than 1 MB\)"):
            read(path, on_error=OnError.FAIL)
        documents, report = read(path)
        assert ([line for _, line in documents], dict(report.counts)) == (["x"], {"broken_files": 1})


@pytest.mark.parametrize("content", ["text\n一\n二\n", 'text\n一\n"二\n', 'text,"a\n'])
def test_the_limit_of_the_csv_module_is_as_before_at_any_moment(write, content):
    limit = csv.field_size_limit()
    [source] = find_sources([write(content, "a.csv")]).files
    documents = DocumentReader(on_error=OnError.SKIP).read(source, CorpusReport())
    for _ in range(2):
        next(documents, None)
        assert csv.field_size_limit() == limit
    documents.close()
    assert csv.field_size_limit() == limit


LONG = "今天天气很好，我们去公园看花，然后回家吃饭。这个问题没有人能回答，因为大家都不知道。\n" * 5
TRADITIONAL = "今天天氣很好，我們去公園看花，然後回家吃飯。這個問題沒有人能回答，因為大家都不知道。\n" * 5


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("gb18030", LONG),
        ("gbk", LONG),
        ("big5", TRADITIONAL),
        ("utf-16", LONG),
        ("utf-16-le", LONG),
        ("utf-16-be", LONG),
    ],
)
@pytest.mark.parametrize("name", ["c.txt", "c.txt.gz", "c.csv", "c.jsonl"])
def test_a_wrong_encoding_names_the_likely_one_and_encoding_reads_it(write, read, encoding, text, name):
    content = {"c.csv": f"text\n{text}", "c.jsonl": json.dumps({"text": text}, ensure_ascii=False) + "\n"}.get(
        name, text
    )
    path = write(compress(content.encode(encoding), name), name)
    likely = "gb18030" if encoding == "gbk" else encoding
    with pytest.raises(DataError, match=rf"--encoding {likely}\b"):
        read(path, on_error=OnError.FAIL)
    found = [line for _, *lines in strict(read, path, encoding=encoding) for line in lines]
    assert [line for line in found if line] == text.splitlines()


def test_bytes_that_are_invalid_in_the_given_encoding_are_found_in_their_line(write, read):
    for encoding, bad in (("gb18030", b"\x81\x20"), ("big5", b"\xff"), ("utf-16-le", b"\x00\xd8\x00\x00")):
        path = write("一。\n".encode(encoding) + bad + "\n二。\n".encode(encoding))
        with pytest.raises(DataError, match=rf"line 2: invalid in {encoding}"):
            read(path, encoding=encoding, on_error=OnError.FAIL)
        documents, report = read(path, encoding=encoding)
        assert [line for _, *lines in documents for line in lines] == ["一。", "二。"]
        assert report.counts == {"invalid_utf8": 1}


def test_a_utf8_file_is_not_read_with_another_encoding(write, read):
    for content in (LONG, "\ufeff" + LONG):
        with pytest.raises(DataError, match="leave --encoding out"):
            read(write(content), encoding="gb18030", on_error=OnError.FAIL)
    assert strict(read, write("only ascii。".replace("。", ".")), encoding="gb18030") == [
        ("corpus.txt:1", "only ascii.")
    ]


def test_an_unknown_encoding_is_an_error():
    for name in ("gb18031", "rot13", "base64", ""):
        with pytest.raises(ValueError, match="`encoding` must be one that Python knows"):
            TextForm(encoding=name)


def test_damaged_bytes_in_utf8_are_not_taken_for_another_encoding(write, read):
    with pytest.raises(DataError, match=r"line 3: not UTF-8 \(byte 3 of the line\)"):
        read(write((LONG[:80] + "\n好").encode() + b"\xff\n" + LONG.encode()), on_error=OnError.FAIL)


def test_the_encoding_of_lines_that_are_skipped_is_not_guessed(write, read, monkeypatch):
    monkeypatch.setattr(intake, "advice", lambda *arguments, **options: pytest.fail("guessed"))
    _, report = read(write("天气\n".encode("gbk") * 1000))
    assert report.counts == {"invalid_utf8": 1000}


def test_files_without_an_ending_are_read_with_format(write, read, tmp_path):
    write("一。", "folder/part-0000")
    write(WIKI, "folder/wiki_00")
    assert [source.name for source in find_sources([tmp_path / "folder"]).files] == ["wiki_00"]
    found = find_sources([tmp_path / "folder"], format=Format.TEXT)
    assert [source.name for source in found.files] == ["part-0000", "wiki_00"] and not found.passed_over


def test_documents_of_fields_between_doc_tags_are_records(write, read):
    fields = "<url>http://a.b</url>\n<docno>1</docno>\n<contenttitle>题</contenttitle>\n<content>{}</content>\n"
    document = f"<doc>\n{fields}</doc>\n"
    path = write((document.format("一&amp;二。") + document.format("三。")).encode("gb18030"), "news.txt")
    expected = [("news.txt:1", "题", "一&二。"), ("news.txt:7", "题", "三。")]
    assert strict(read, path, text_keys=("contenttitle", "content"), encoding="gb18030") == expected
    with pytest.raises(
        DataError, match="line 1: must have the key 'text', but has url, docno, contenttitle, content; see"
    ):
        read(path, encoding="gb18030", on_error=OnError.FAIL)


def test_a_field_that_is_repeated_between_doc_tags_keeps_all_its_values(write, read):
    document = "<doc>\n<title>题</title>\n<content>一。</content>\n<note>注</note>\n<content>二。</content>\n</doc>\n"
    path = write(document * 2, "news.txt")
    expected = [("news.txt:1", "题", "一。", "二。"), ("news.txt:7", "题", "一。", "二。")]
    assert strict(read, path, text_keys=("title", "content")) == expected
