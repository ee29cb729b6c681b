"""Test reading, checking and writing vocabularies."""

from __future__ import annotations

import hashlib

import pytest

from paddle_wwm.errors import DataError
from paddle_wwm.tokenization.vocab import load_vocab

SMALL = ("[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "的", "##s", "[", "unused")


@pytest.fixture
def file_of(tmp_path):
    """A function that writes the lines of a vocabulary and returns its path."""

    def write(*lines, end="\n"):
        path = tmp_path / "vocab.txt"
        path.write_bytes("".join(line + end for line in lines).encode("utf-8"))
        return path

    return write


def test_the_line_number_is_the_id(file_of):
    vocab = load_vocab(file_of(*SMALL))
    assert vocab.tokens == SMALL
    assert vocab.ids == {token: number for number, token in enumerate(SMALL)}
    assert (len(vocab), vocab.pad_id, vocab.unk_id, vocab.cls_id, vocab.sep_id, vocab.mask_id) == (10, 0, 2, 3, 4, 5)


def test_random_tokens_are_never_special_or_unused_entries(file_of):
    vocab = load_vocab(file_of(*SMALL))
    assert [SMALL[number] for number in vocab.random_token_ids] == ["的", "##s", "[", "unused"]


def test_a_saved_vocabulary_loads_equal_and_its_checksum_is_that_of_the_file(mini_vocab, tmp_path):
    path = tmp_path / "new" / "vocab.txt"
    mini_vocab.save(path)
    assert load_vocab(path) == mini_vocab
    assert hashlib.sha256(path.read_bytes()).hexdigest() == mini_vocab.sha256


def test_line_ends_a_byte_order_mark_and_blank_lines_at_the_end_do_not_change_the_vocabulary(file_of):
    path = file_of(*SMALL)
    expected = load_vocab(path)
    assert load_vocab(file_of(*SMALL, end="\r\n")) == expected
    assert load_vocab(file_of("\ufeff[PAD]", *SMALL[1:])) == expected
    for end in ("", "\n\n\n", "\r\n\r\n"):
        path.write_bytes(("\n".join(SMALL) + end).encode())
        assert load_vocab(path) == expected


def test_white_space_other_than_a_line_end_belongs_to_a_token(file_of):
    assert load_vocab(file_of(*SMALL, "\u3000", "\u2028", "\x85")).tokens[-3:] == ("\u3000", "\u2028", "\x85")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("[PAD]", "[UNK]", "", "[CLS]"), r"vocab\.txt, line 3: empty; the line number is the id"),
        ((*SMALL, "", "的", ""), r"vocab\.txt, line 11: empty"),
        ((*SMALL, "的"), r"vocab\.txt, line 11: '的' is already on line 7"),
        (("[PAD]", "[UNK]", "的"), r"vocab\.txt: lacks \[CLS\], \[SEP\], \[MASK\]; .*build-vocab"),
        ((), r"vocab\.txt: lacks \[PAD\]"),
    ],
)
def test_a_faulty_vocabulary_is_an_error_with_file_line_and_rule(file_of, lines, message):
    with pytest.raises(DataError, match=message):
        load_vocab(file_of(*lines))


def test_a_vocabulary_that_is_not_utf8_or_a_folder_or_missing_is_an_error(file_of, tmp_path):
    path = file_of(*SMALL)
    path.write_bytes(path.read_bytes() + "好".encode("gb18030") + b"\n")
    with pytest.raises(DataError, match=r"vocab\.txt, line 11: not UTF-8"):
        load_vocab(path)
    with pytest.raises(DataError, match="is a folder, not a vocabulary"):
        load_vocab(tmp_path)
    with pytest.raises(DataError, match=r"absent\.txt: no such vocabulary; build one with paddle-wwm build-vocab"):
        load_vocab(tmp_path / "absent.txt")


@pytest.mark.data
def test_the_published_vocabulary_has_its_known_ids(shared_data):
    vocab = load_vocab(shared_data / "vocab" / "vocab.txt")
    assert (len(vocab), vocab.pad_id, vocab.unk_id, vocab.cls_id, vocab.sep_id, vocab.mask_id) == (
        21128,
        0,
        100,
        101,
        102,
        103,
    )
    assert len(vocab.random_token_ids) == 21128 - 5 - 99
