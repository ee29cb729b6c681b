"""Test reading files as raw documents, and the handling of bad input."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pyarrow
import pytest

from paddle_wwm.corpus.reading import intake
from paddle_wwm.corpus.reading.options import OnError
from paddle_wwm.corpus.sentences import SentenceRule
from paddle_wwm.errors import DataError

from .conftest import compress, parquet_bytes


def lines_of(documents):
    return [lines for _, *lines in documents]


def test_blank_lines_separate_documents_and_a_doc_id_has_the_file_and_the_first_line(write, read):
    documents, report = read(write("\n第一。第二。\n第三。\n\n \u3000\n\n第四。\n"))
    assert documents == [("corpus.txt:2", "第一。第二。", "第三。"), ("corpus.txt:7", "第四。")]
    assert dict(report.characters) == {"read": 14, "white_space": 2} and not report.counts


@pytest.mark.parametrize(
    "content",
    [
        "一。\n\n二。\n三。\n",
        "\ufeff一。\r\n\r\n二。\r\n三。",
        "一。\n \t\n二。\n三。\n\n\n",
        "\n\n一。\n\n\n\n二。\n三。",
    ],
)
def test_the_byte_order_mark_line_ends_and_the_end_of_the_file_do_not_matter(write, read, content):
    documents, report = read(write(content))
    assert lines_of(documents) == [["一。"], ["二。", "三。"]]
    assert report.characters["read"] - report.characters["white_space"] == 6


def test_a_record_is_a_document_and_its_doc_id_has_its_line_or_row(write, read):
    texts = ["一。", "二。\n\n三。"]
    expected = [("一。",), ("二。", "", "三。")]
    lines = "".join(json.dumps({"id": 1, "text": text}) + "\n\n" for text in texts)
    assert read(write("\ufeff" + lines, "c.jsonl"))[0] == [
        (f"c.jsonl:{number}", *lines) for number, lines in zip((1, 3), expected)
    ]
    table = parquet_bytes(id=[1, 2], text=texts)
    assert read(write(table, "c.parquet"))[0] == [
        (f"c.parquet:{number}", *lines) for number, lines in zip((1, 2), expected)
    ]


@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.zst", "c.parquet", "c.parquet.gz"])
def test_the_key_of_the_text_can_be_given(write, read, name):
    data = (
        parquet_bytes(content=["一。"], text=["不"])
        if "parquet" in name
        else b'{"text": 5, "content": "\\u4e00\\u3002"}\n'
    )
    documents, _ = read(write(compress(data, name), name), text_keys=("content",), on_error=OnError.FAIL)
    assert lines_of(documents) == [["一。"]]


def test_a_column_may_be_large_strings_or_categories(write, read):
    for text in (pyarrow.array(["一。"], pyarrow.large_string()), pyarrow.array(["一。"]).dictionary_encode()):
        assert lines_of(read(write(parquet_bytes(text=text), "c.parquet"), on_error=OnError.FAIL)[0]) == [["一。"]]


def test_long_text_without_blank_lines_is_cut_into_documents_and_counted(write, read, monkeypatch):
    monkeypatch.setattr(intake, "MAX_DOCUMENT_CHARS", 10)
    lines = ["四个字。", "四个字。", "四个字。", "一行就有十二，个字这么长。", "尾"]
    expected = [lines[:2], lines[2:3], ["一行就有十二，"], ["个字这么长。", "尾"]]
    for name, content in (("c.txt", "\n".join(lines)), ("c.jsonl", json.dumps({"text": "\n".join(lines)}))):
        documents, report = read(write(content, name))
        assert lines_of(documents) == expected
        assert dict(report.counts) == {"long_documents": 3, "long_lines": 1}
        assert report.characters["read"] == sum(map(len, lines))


# Each case: file name, bytes, the error after the path, the rule, the documents that are left with skip, and the
# characters that skip counts.
UTF_16 = "一。\n\n二。\n".encode("utf-16")
GB = "三好。".encode("gb18030")
BAD = {
    "an empty file": ("c.txt", b"", "the file is empty", "empty_files", [], 0),
    "an empty compressed file": ("c.txt.gz", compress(b"", ".gz"), "the file is empty", "empty_files", [], 0),
    "an empty file that should hold a table": ("c.parquet", b"", "the file is empty", "empty_files", [], 0),
    "bytes that are not UTF-8": (
        *("c.txt", "一。\n\n二。\n".encode() + GB + "\n三。".encode()),
        *(
            r", line 4: not UTF-8 \(byte 0 of the line\)",
            "invalid_utf8",
        ),
        *([["一。"], ["二。", "三。"]], len(GB.decode("utf-8", "replace"))),
    ),
    "compressed bytes that are not UTF-8": (
        *("c.txt.xz", compress(b"\xff\n", ".xz")),
        *(r", line 1: not UTF-8", "invalid_utf8", [], 1),
    ),
    "surrogates as bytes": ("c.jsonl", b'{"text": "\xed\xa0\x80"}\n', ", line 1: not UTF-8", "invalid_utf8", [], 15),
    "UTF-16": ("c.txt", UTF_16, ": is UTF-16 or UTF-32, not UTF-8; add --encoding utf-16", "not_text", [], 0),
    "UTF-16, big end first": (
        "c.txt",
        b"\xfe\xff" + "一。\n".encode("utf-16-be"),
        ": is UTF-16",
        "not_text",
        [],
        0,
    ),
    "JSON in UTF-16": ("c.jsonl", '{"text": "x"}\n'.encode("utf-16"), ": is UTF-16", "not_text", [], 0),
    "invalid JSON": (
        "c.jsonl",
        b'{"text": "x"}\n{"text": \n',
        ", line 2: not valid JSON .*every line must be one object",
        "bad_records",
        [["x"]],
        0,
    ),
    "deep JSON": ("c.jsonl", b"[" * 100_000 + b"\n", ", line 1: not valid JSON", "bad_records", [], 0),
    "deep text": (
        "c.jsonl",
        b'{"text": ' + b"[" * 900 + b"1" + b"]" * 900 + b"}\n",
        ", line 1: 'text' must be a string",
        "bad_records",
        [],
        0,
    ),
    "a list": (
        "c.jsonl",
        b'["text"]\n{"text": "x"}\n',
        ", line 1: must have the key 'text', but is a list; see --text-key",
        "bad_records",
        [["x"]],
        0,
    ),
    "another key": (
        "c.jsonl",
        b'{"Text": "x", "id": 1}\n',
        "must have the key 'text', but has Text, id; see --text-key",
        "bad_records",
        [],
        0,
    ),
    "null as text": (
        "c.jsonl",
        b'{"text": null}\n',
        "'text' must be a string or a list of strings, but is null. The record: ",
        "bad_records",
        [],
        0,
    ),
    "a number": (
        "c.jsonl",
        b'{"text": 3.14}\n',
        "'text' must be a string or a list of strings, but is a float",
        "bad_records",
        [],
        0,
    ),
    "a table with a row without text": (
        *(
            "c.parquet",
            parquet_bytes(text=["一", None, "三"]),
            ", row 2: 'text' must be a string or a list of strings, but is null",
        ),
        *("bad_records", [["一"], ["三"]], 0),
    ),
    "a table without the column": (
        *(
            "c.parquet",
            parquet_bytes(content=["x"]),
            r"'text' does not exist \(columns: content \(string\)\); see --text-key",
        ),
        *("broken_files", [], 0),
    ),
    "a table of numbers": ("c.parquet", parquet_bytes(text=[1]), "'text' holds int64", "broken_files", [], 0),
    "a table cut short": (
        "c.parquet",
        parquet_bytes(text=["一"] * 99)[:-9],
        "cannot be read to its end",
        "broken_files",
        [],
        0,
    ),
    "a compressed table cut short": (
        *(
            "c.parquet.gz",
            compress(parquet_bytes(text=["一"] * 99), ".gz")[:-9],
            "cannot be read to its end .*get it again",
        ),
        *("broken_files", [], 0),
    ),
    "bytes that are not a table": ("c.parquet", b"PAR1\0", "cannot be read to its end", "broken_files", [], 0),
    "text in a file that is named like a table": ("c.parquet", b"text", "is not a Parquet table", "not_text", [], 0),
    "binary data in a file named .gz": (
        "c.txt.gz",
        b"\0\1\2",
        "cannot be read to its end .*Not a gzipped file",
        "broken_files",
        [],
        0,
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_an_error_with_its_place_or_is_skipped_and_counted(write, read, case):
    name, data, message, rule, left, characters = BAD[case]
    path = write(data, name)
    with pytest.raises(DataError, match=rf"^{path}.*{message}.*\(With --on-error skip, .*\)$") as caught:
        read(path, on_error=OnError.FAIL)
    assert len(str(caught.value)) < 700, "an error must be short, whatever the file contains"
    documents, report = read(path)
    assert lines_of(documents) == left
    assert dict(report.counts) == {rule: 1} and len(report.samples[rule]) == 1
    assert report.characters[rule] == characters
    assert report.characters["read"] == sum(len(line) for lines in left for line in lines) + characters


def test_a_table_without_rows_counts_as_an_empty_file(write, read):
    path = write(parquet_bytes(text=pyarrow.array([], pyarrow.string())), "c.parquet")
    with pytest.raises(DataError, match="the table has no rows"):
        read(path, on_error=OnError.FAIL)
    assert read(path)[1].counts == {"empty_files": 1}


@pytest.mark.parametrize("ending", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("inner", [".txt", ".jsonl"])
def test_with_skip_the_text_before_damaged_compressed_data_is_kept(write, read, ending, inner):
    draw = random.Random(0)
    texts = ["".join(map(chr, draw.choices(range(0x4E00, 0x9FA5), k=40))) for _ in range(5000)]
    plain = (
        "\n\n".join(texts)
        if inner == ".txt"
        else "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts)
    )
    whole = compress(plain.encode(), ending)
    path = write(whole[: len(whole) // 2], f"c{inner}{ending}")
    with pytest.raises(DataError, match=r"cannot be read to its end \(.*\); it is truncated or damaged: get it again"):
        read(path, on_error=OnError.FAIL)
    documents, report = read(path)
    assert dict(report.counts) == {"broken_files": 1}
    found = lines_of(documents)
    assert 1500 < len(found) < 3000 and found == [[text] for text in texts[: len(found)]]
    assert report.characters["read"] == sum(len(lines[0]) for lines in found)


def test_damaged_deflate_data_are_bad_input(write, read):
    """The error of zlib is neither an OSError nor an EOFError."""
    whole = compress(bytes(range(256)) * 400, ".gz")
    damaged = bytearray(whole)
    damaged[10:30] = b"\xff" * 20
    documents, report = read(write(bytes(damaged), "c.txt.gz"))
    assert (documents, dict(report.counts)) == ([], {"broken_files": 1})


def test_a_file_without_read_permission_is_not_skipped_as_bad_input(write, read, monkeypatch):
    path = write("一。")

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(intake.Intake, "open", refuse)
    with pytest.raises(PermissionError, match="Permission denied"):
        read(path)


@pytest.mark.parametrize("over", [-1, 0, 1, 2, 70_000])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"])
def test_a_too_long_record_is_skipped_and_its_characters_are_counted(write, read, monkeypatch, end, over):
    monkeypatch.setattr(intake, "MAX_RECORD_BYTES", 30_000)
    long = json.dumps({"text": "好" * 9_000}, ensure_ascii=False).encode() + b" " * (30_000 - 27_012 + over)
    path = write(long + end + b'{"text": "\xe4\xba\x8c"}', "c.jsonl") if end else write(long, "c.jsonl")
    documents, report = read(path)
    is_long = over > 0
    assert lines_of(documents) == ([] if is_long else [["好" * 9_000]]) + ([["二"]] if end else [])
    num_chars = len(long.decode())
    assert (report.counts["endless_lines"], report.characters["endless_lines"]) == (is_long, is_long * num_chars)
    assert report.characters["read"] == (num_chars if is_long else 9_000) + bool(end)
    if is_long:
        with pytest.raises(DataError, match=r"c\.jsonl, line 1: is longer than 0 MB"):
            read(path, on_error=OnError.FAIL)


@pytest.mark.parametrize("name", ["c.txt", "c.txt.gz", "c.jsonl", "c.parquet"])
@pytest.mark.parametrize("chunk_bytes", [4, 7, 1000, 1 << 20])
def test_a_long_line_is_cut_after_sentences_and_nothing_is_lost(write, read, monkeypatch, name, chunk_bytes):
    """The parts do not depend on the size of the blocks in which the file is read."""
    monkeypatch.setattr(intake, "MAX_DOCUMENT_CHARS", 100)
    monkeypatch.setattr(intake, "MAX_CHUNK_BYTES", chunk_bytes)
    draw = random.Random(5)
    book = "".join("字" * draw.randrange(1, 60) + draw.choice(["。", "！”", "？", "。……"]) for _ in range(200))
    data = {
        "c.jsonl": json.dumps({"text": f"头。\n{book}\n尾。"}).encode(),
        "c.parquet": parquet_bytes(text=[f"头。\n{book}\n尾。"]),
    }
    documents, report = read(write(compress(data.get(name, f"头。\n{book}\n尾。\n\n末。\n".encode()), name), name))
    parts = [line for lines in lines_of(documents) for line in lines]
    parts = parts[: parts.index("尾。")]
    assert parts[0] == "头。" and "".join(parts[1:]) == book
    assert [sentence for part in parts for sentence in SentenceRule().split(part)] == SentenceRule().split(
        "头。" + book
    )
    assert all(sum(map(len, lines)) <= 100 for lines in lines_of(documents))
    assert report.counts["long_lines"] == 1
    assert report.characters["read"] == sum(len(line) for lines in lines_of(documents) for line in lines)


def test_blank_parts_of_a_long_line_do_not_end_a_document(write, read, monkeypatch):
    monkeypatch.setattr(intake, "MAX_DOCUMENT_CHARS", 10)
    for line, expected in (
        ("一" + " " * 40 + "二", [["头", "一" + " " * 8], ["  二", "尾"]]),
        (" " * 40, [["头"], ["尾"]]),
    ):
        documents, report = read(write(f"头\n{line}\n尾\n"))
        assert [[text.strip() for text in lines] for lines in lines_of(documents)] == [
            [text.strip() for text in lines] for lines in expected
        ]
        assert (
            report.characters["read"]
            == 2 + len(line)
            == sum(len(text) for lines in lines_of(documents) for text in lines) + report.characters["white_space"]
        )


@pytest.mark.parametrize("chunk_bytes", [4, 9, 1 << 20])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("一。\r二。\r\r三。\r", [("1", "一。", "二。"), ("4", "三。")]),
        ("一。\r\r二。\r\n\r\n三。\n\n四。", [("1", "一。"), ("3", "二。"), ("5", "三。"), ("7", "四。")]),
        ("一。\r\r\n二。\r\r\n", [("1", "一。", "二。")]),
        ("\ufeff\r一。\r \r\t\n二。", [("2", "一。"), ("5", "二。")]),
        ("一。\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r二。", [("1", "一。"), ("16", "二。")]),
        # other ends of lines do not end documents; cleaning splits there
        ("一。\x85\x85二。\u2028\u2029\x0c\x0b\x1c三。", [("1", "一。\x85\x85二。\u2028\u2029\x0c\x0b\x1c三。")]),
    ],
)
def test_lines_end_at_lf_crlf_or_cr_in_any_mixture(write, read, monkeypatch, content, expected, chunk_bytes):
    monkeypatch.setattr(intake, "MAX_CHUNK_BYTES", chunk_bytes)
    documents, report = read(write(content))
    assert documents == [(f"corpus.txt:{number}", *lines) for number, *lines in expected]
    assert report.characters["read"] == len(content.translate(dict.fromkeys(map(ord, "\r\n\ufeff"))))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_records_may_end_with_any_line_end(write, read, end):
    documents, _ = read(write(end.join(['{"text": "一"}', "", '{"text": "二"}', ""]), "c.jsonl"), on_error=OnError.FAIL)
    assert documents == [("c.jsonl:1", "一"), ("c.jsonl:3", "二")]


def test_bytes_that_are_not_utf8_in_a_long_line_are_counted_in_their_part_only(write, read, monkeypatch):
    monkeypatch.setattr(intake, "MAX_CHUNK_BYTES", 30)
    path = write("好".encode() * 25 + b"\xff" + "好".encode() * 25 + b"\n\xff\n" + "尾".encode())
    with pytest.raises(DataError, match=r"line 1: not UTF-8 \(byte 75 of the line\)"):
        read(path, on_error=OnError.FAIL)
    documents, report = read(path)
    [lines] = lines_of(documents)
    assert report.counts == {"invalid_utf8": 2} and lines[1:] == ["尾"] and 30 < len(lines[0]) < 50
    assert report.characters["read"] == 52 + 1 == len(lines[0]) + 1 + report.characters["invalid_utf8"]


MEASURE = """
import resource, sys
from paddle_wwm.corpus.readers import DocumentReader
from paddle_wwm.corpus.reading.options import OnError
from paddle_wwm.corpus.counts import CorpusReport
from paddle_wwm.corpus.source_files import find_sources

report = CorpusReport()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
documents = sum(1 for _ in DocumentReader(on_error=OnError.FAIL).read(find_sources([sys.argv[1]]).files[0], report))
print(documents, report.counts["long_lines"], report.characters["read"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""  # noqa: E501


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("end", ["\n", "\r"])
def test_a_line_of_50_megabytes_needs_bounded_memory(write, ending, end):
    path = write(
        compress(f"好。{end}".encode() + b"x" * (50 << 20) + f"{end}末。{end}".encode(), ending), f"c.txt{ending}"
    )
    result = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    documents, lines, characters, kilobytes = map(int, result.stdout.split())
    assert (documents, lines, characters) == (54, 1, (50 << 20) + 4)
    assert kilobytes < 40_000
