"""Helpers that write corpus files of every kind and read their documents."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pyarrow
import pytest
from pyarrow import parquet

from paddle_wwm.corpus.counts import CorpusReport
from paddle_wwm.corpus.readers import DocumentReader
from paddle_wwm.corpus.reading.options import OnError, TextForm
from paddle_wwm.corpus.sentences import SentenceRule
from paddle_wwm.corpus.source_files import find_sources


def compress(data, ending):
    """Return the bytes, compressed as the ending says."""
    if ending.endswith(".gz"):
        return gzip.compress(data, mtime=0)
    if ending.endswith(".bz2"):
        return bz2.compress(data)
    if ending.endswith(".xz"):
        return lzma.compress(data)
    if ending.endswith(".zst"):
        return pyarrow.Codec("zstd").compress(data, asbytes=True)
    return data


def parquet_bytes(**columns):
    """Return a table as the bytes of a Parquet file."""
    stream = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(columns), stream)
    return stream.getvalue().to_pybytes()


@pytest.fixture
def write(tmp_path):
    """A function that writes bytes or text to a file and returns its path."""

    def call(content, name="corpus.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return call


@pytest.fixture
def read():
    """A function that returns the documents of a file, each as (doc_id, *lines), and the report.

    By default, bad input is skipped. `form` are the options of TextForm.
    """

    def call(path, *, on_error=OnError.SKIP, sentences=SentenceRule(), **form):
        report, form = CorpusReport(), TextForm(**form)
        [source] = find_sources([path], format=form.format, encoding=form.encoding).files
        found = DocumentReader(on_error=on_error, form=form, sentences=sentences).read(source, report)
        return [(document.doc_id, *document.lines) for document in found], report

    return call
