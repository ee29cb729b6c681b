"""Open compressed files. The first bytes of a file give its compression, not its name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tempfile
import zlib
from typing import BinaryIO

from ..file_kinds import COMPRESSIONS
from ..optional import need_package

READ_ERRORS = (OSError, EOFError, lzma.LZMAError, zlib.error)  # from broken compressed data


def compression_of(head: bytes) -> str:
    """Return the compression that the first bytes show: a key of COMPRESSIONS, or ""."""
    return next((ending for ending, magic in COMPRESSIONS.items() if head.startswith(magic)), "")


def uncompressed(raw: BinaryIO, *, compression: str) -> BinaryIO:
    """Return a stream of the uncompressed bytes.

    Closing it does not always close `raw`.

    Reading truncated or broken compressed data raises one of READ_ERRORS.
    """
    if compression == ".gz":
        return gzip.GzipFile(fileobj=raw, mode="rb")  # type: ignore[return-value]
    if compression == ".bz2":
        return bz2.BZ2File(raw)  # type: ignore[return-value]
    if compression == ".xz":
        return lzma.LZMAFile(raw)  # type: ignore[return-value]
    if compression == ".zst":
        need_package("pyarrow", purpose="a .zst file")
        import pyarrow

        # Arrow's stream detects a truncated frame; the reader of the zstandard package takes it for the end
        return io.BufferedReader(pyarrow.input_stream(raw, compression="zstd"))
    return raw


def seekable(raw: BinaryIO, *, compression: str) -> BinaryIO:
    """Return a seekable stream of the uncompressed bytes.

    A compressed file is unpacked into an unnamed temporary file.
    """
    if not compression:
        return raw
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    try:
        with uncompressed(raw, compression=compression) as stream:
            while block := stream.read(1 << 20):
                unpacked.write(block)
        unpacked.seek(0, os.SEEK_SET)
    except BaseException:
        unpacked.close()
        raise
    return unpacked
