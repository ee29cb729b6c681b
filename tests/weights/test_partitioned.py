"""Partitioned variables of TensorFlow are put together exactly, or refused if their slices do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_wwm.errors import CheckpointError
from paddle_wwm.weights.tensorflow import open_tensorflow
from paddle_wwm.weights.tf_slices import slice_key
from paddle_wwm.weights.tf_table import build_table, encode_field

NAME = b"bert/embeddings/word_embeddings"
ROWS = 20000
ARRAY = np.arange(ROWS * 2, dtype=np.float32).reshape(ROWS, 2)
BOUNDS = [0, 60, 9000, 12000, ROWS]


@pytest.mark.golden
@pytest.mark.parametrize(
    ("extents", "ending"),
    [  # the keys that TensorFlow 2.21 wrote
        (((0, 334), (0, 64)), b"\x80\xc1N\x80\xc0@"),
        (((334, 333), (0, 64)), b"\xc1N\xc1M\x80\xc0@"),
        (((667, 333), (0, 64)), b"\xc2\x9b\xc1M\x80\xc0@"),
        (((0, 64), (32, 32)), b"\x80\xc0@\xa0\xa0"),
        (((0, 42858), (0, 2)), b"\x80\xe0\xa7j\x80\x82"),
        (((85715, 42857), (0, 2)), b"\xe1N\xd3\xe0\xa7i\x80\x82"),
        (((257146, 42857), (0, 2)), b"\xe3\xecz\xe0\xa7i\x80\x82"),
    ],
)
def test_the_key_of_a_slice_is_that_of_tensorflow(extents, ending):
    assert slice_key(NAME, extents) == b"\x00" + NAME + b"\x00\x01\x01\x02" + ending


def extent(start, length):
    return encode_field(1, (encode_field(1, start) if start else b"") + (encode_field(2, length) if length else b""))


def entry(shape, *, offset=0, size=0, slices=(), dtype=1):
    dimensions = b"".join(encode_field(2, encode_field(1, length)) for length in shape)
    listed = b"".join(encode_field(7, b"".join(extent(*pair) for pair in extents)) for extents in slices)
    return (
        encode_field(1, dtype) + encode_field(2, dimensions) + encode_field(4, offset) + encode_field(5, size) + listed
    )


def checkpoint(folder, slices, *, changes=None):
    """Write a checkpoint with ARRAY in these slices: pairs of start and length for the rows and the columns."""
    items, data = {b"": encode_field(1, 1), NAME: entry(ARRAY.shape, slices=slices)}, b""
    for extents in slices:
        (start, rows), (first, columns) = extents
        part = ARRAY[start : start + rows, first : first + columns] if columns else ARRAY[start : start + rows]
        key = slice_key(NAME, tuple((begin, length or -1) for begin, length in extents))
        items[key] = entry(part.shape, offset=len(data), size=part.nbytes)
        data += np.ascontiguousarray(part).tobytes()
    items |= changes or {}
    (folder / "x.data-00000-of-00001").write_bytes(data)
    (folder / "x.index").write_bytes(build_table(sorted((key, value) for key, value in items.items() if value)))
    return folder / "x"


WHOLE = [((start, end - start), (0, 2)) for start, end in zip(BOUNDS, BOUNDS[1:])]


@pytest.mark.parametrize(
    "slices",
    [
        WHOLE,
        WHOLE[::-1],
        [((0, ROWS), (0, 1)), ((0, ROWS), (1, 1))],
        [((start, length), (0, 0)) for (start, length), _ in WHOLE],  # all columns, without a length
    ],
)
def test_the_slices_of_a_variable_are_put_together(tmp_path, slices):
    tensors = open_tensorflow(checkpoint(tmp_path, slices))
    assert list(tensors) == [NAME.decode()]
    assert tensors[NAME.decode()].shape == ARRAY.shape
    assert np.array_equal(tensors[NAME.decode()].read(), ARRAY)
    assert b"".join(tensors[NAME.decode()].blocks()) == ARRAY.tobytes()


OVER = ((8999, 3001), (0, 2))


@pytest.mark.parametrize(
    ("slices", "message"),
    [
        (WHOLE[:-1], "its 3 slices do not fill it exactly"),
        ([*WHOLE[:2], OVER, WHOLE[3]], "do not fill it exactly"),
        ([*WHOLE[:2], WHOLE[1], WHOLE[3]], "do not fill it exactly"),
    ],
)
def test_slices_that_do_not_fill_the_variable_are_refused(tmp_path, slices, message):
    with pytest.raises(CheckpointError, match=message):
        open_tensorflow(checkpoint(tmp_path, slices))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({slice_key(NAME, WHOLE[1]): b""}, r"the slice \(\(60, 8940\), \(0, 2\)\) of .* is missing"),
        ({slice_key(NAME, WHOLE[1]): entry((8940, 2), dtype=3, size=8940 * 8)}, "do not fill it exactly"),
        ({slice_key(NAME, WHOLE[1]): entry((8940, 2), offset=2**40, size=8940 * 8)}, "places .* at bytes"),
        ({NAME: entry((2**40, 2), slices=WHOLE)}, "do not fill it exactly"),
        ({NAME: entry((ROWS,), slices=WHOLE)}, "do not fill it exactly"),
    ],
)
def test_a_damaged_slice_is_refused(tmp_path, changes, message):
    with pytest.raises(CheckpointError, match=message):
        open_tensorflow(checkpoint(tmp_path, WHOLE, changes=changes))


def test_the_bytes_of_a_slice_are_compared_with_its_checksum(tmp_path):
    key = slice_key(NAME, WHOLE[0])
    wrong = entry((60, 2), size=480) + bytes([6 << 3 | 5]) + bytes(4)
    tensors = open_tensorflow(checkpoint(tmp_path, WHOLE, changes={key: wrong}))
    with pytest.raises(CheckpointError, match="is corrupt: the checksum of"):
        tensors[NAME.decode()].read()
