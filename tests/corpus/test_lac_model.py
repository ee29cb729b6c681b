"""Test that the files of LAC's model are read as Paddle wrote them.

Other files must be refused before compiled code uses them as memory offsets.
"""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from paddle_wwm.corpus.lac_model import lac_model_directory, load_tables, load_weights, read_tensor
from paddle_wwm.errors import DataError


@pytest.fixture
def directory(tmp_path):
    """A copy of the model folder that a test can damage."""
    return shutil.copytree(lac_model_directory(), tmp_path / "seg_model")


def test_the_tables_contain_full_width_traditional_and_unknown_characters():
    tables = load_tables(lac_model_directory())
    ids = tables.id_of_code_point
    assert (tables.num_ids, ids.shape, ids.dtype) == (8224, (0x110000,), np.int32)
    assert ids[ord("１")] == ids[ord("1")]
    small, capital, full_width = ids[[ord("a"), ord("A"), ord("Ａ")]].tolist()
    assert capital == small
    assert full_width != small  # it is mapped to A, which is not mapped again
    assert len({*ids[[ord("語"), ord("语")]].tolist()}) == 1
    assert ids[ord("语")] != ids[ord("言")]
    assert len({*ids[[0xD800, 0x10FFFF, 0x20000]].tolist()}) == 1
    assert ids.min() >= 0
    assert ids.max() < tables.num_ids
    assert tables.tag_starts_word.tolist() == [True, False, False, True]


@pytest.mark.parametrize("shape", [(4, 192), (768,), (192, 3), (193, 4), (1, 192, 4), ()])
def test_a_tensor_with_another_shape_is_refused(shape):
    path = lac_model_directory() / "model" / "fc_4.w_0"
    assert read_tensor(path, shape=(192, 4)).shape == (192, 4)
    with pytest.raises(DataError, match="fc_4.w_0: must"):
        read_tensor(path, shape=shape)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("model/gru_1.w_0", lambda content: content[:-4]),
        ("model/gru_1.w_0", lambda content: content + b"\0" * 4),
        ("model/fc_4.b_0", lambda content: b"\1" + content[1:]),
        ("model/word_emb", lambda content: b""),
        ("model/crfw", lambda content: content[:24] + b"\4\x10\6" + content[27:]),
        ("conf/word.dic", lambda content: content + "9000\t新".encode()),
        ("conf/word.dic", lambda content: content.replace(b"OOV", b"OOX")),
        ("conf/word.dic", lambda content: b"x\ty\n" + content),
        ("conf/tag.dic", lambda content: content + b"9\t-X\n"),
    ],
    ids=["short", "long", "version", "empty", "shape", "id out of range", "no OOV", "not a number", "another tag"],
)
def test_a_damaged_file_is_an_error_with_its_name(directory, file, damage):
    path = directory / file
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError) as caught:
        load_weights(load_tables(directory))
    assert "reinstall the package `lac`" in str(caught.value)
    assert str(directory) in str(caught.value)


@pytest.mark.parametrize("file", ["model/fc_0.w_0", "conf/word.dic", "conf/q2b.dic"])
def test_a_missing_file_is_an_error_with_its_name(directory, file):
    (directory / file).unlink()
    with pytest.raises(DataError, match=file.split("/")[1]):
        load_weights(load_tables(directory))
