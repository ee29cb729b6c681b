"""Damaged files of every format: read or refused, never a crash, and every character is accounted for."""

from __future__ import annotations

import bz2
import gzip
import random

import pytest

from paddle_wwm.corpus.counts import CorpusReport
from paddle_wwm.corpus.formats import Format
from paddle_wwm.corpus.readers import DocumentReader
from paddle_wwm.corpus.reading.options import DocumentUnit, OnError, TextForm
from paddle_wwm.corpus.source_files import find_sources
from paddle_wwm.errors import DataError

PAGE = "<page><title>a</title><ns>0</ns><id>1</id><revision><text>[[a]] {{b}}</text></revision></page>"
WHOLE = (
    b'<doc id="1">\nab\n</doc>\n',
    b"<doc>\n<url>ab</url>\n<text>x</text>\n</doc>\n",
    b'{"text": "x"}\n',
    b'[{"text": "x"},\n{"text":"y"}]',
    b'text,label\nx,"1"\n',
    f"<mediawiki>{PAGE}</mediawiki>".encode(),
    "今天天气。\n\n明天".encode(),
    "今天天气。\n\n明天".encode("gb18030"),
    gzip.compress(b"abc\n"),
    bz2.compress(b"abc\n\nd"),
    b"PK\x03\x04\0\0",
)
MARKS = (b"\n", b"\r\n", b"\0", b'"', b"{", b"]", b"<", b"</doc>", b"-{", b"\xff\xfe")
ENDINGS = (".txt", ".jsonl", ".csv", ".tsv", ".xml", "", ".gz", ".parquet", ".json", ".txt.bz2")


def damaged(draw):
    data = bytearray(draw.choice(WHOLE))
    for _ in range(draw.randrange(4)):
        place = draw.randrange(len(data) + 1)
        kind = draw.randrange(4)
        if kind == 0:
            del data[place : place + draw.randrange(1, 6)]
        else:
            data[place:place] = (
                draw.choice(WHOLE)[: draw.randrange(1, 30)],
                draw.randbytes(draw.randrange(1, 4)),
                draw.choice(MARKS),
            )[kind - 1]
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_read_or_refused_and_every_character_is_accounted_for(tmp_path, seed):
    draw = random.Random(seed)
    for _ in range(400):
        path = tmp_path / f"a{draw.choice(ENDINGS)}"
        path.write_bytes(damaged(draw))
        form = TextForm(
            format=draw.choice([None] * 4 + list(Format)),
            encoding=draw.choice(["utf-8"] * 3 + ["gb18030", "utf-16"]),
            document=draw.choice(list(DocumentUnit)),
            text_keys=draw.choice([("text",), ("0",), ("text", "label")]),
        )
        report = CorpusReport()
        [source] = find_sources([path], format=form.format, encoding=form.encoding).files
        documents = list(DocumentReader(form=form, on_error=OnError.SKIP).read(source, report))
        num_chars = sum(len(line) for document in documents for line in document.lines)
        removed = sum(count for rule, count in report.characters.items() if rule != "read")
        assert report.characters["read"] == num_chars + removed, (path.read_bytes(), path.name, form)
        try:
            strict = list(DocumentReader(form=form, on_error=OnError.FAIL).read(source, CorpusReport()))
        except DataError as error:
            assert str(path) in str(error)
        else:
            assert strict == documents
        path.unlink()
