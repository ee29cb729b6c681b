"""Round trips through the writer and the reader; damaged files are found and named."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.errors import DataError
from paddle_wwm.shards.reader import ShardSet, open_shards
from paddle_wwm.shards.shard_format import HEADER, VOCAB_NAME, shard_name
from paddle_wwm.tokenization.tokenized import TokenizedDocument

from ..shard_sets import write_set


def document_of(*sentences):
    """Make a document from sentences, given as lists of (id, starts a word)."""
    pairs = [pair for sentence in sentences for pair in sentence]
    return TokenizedDocument(
        input_ids=np.array([number for number, _ in pairs], np.uint32),
        word_starts=np.array([starts for _, starts in pairs], bool),
        sentence_offsets=np.cumsum([0, *map(len, sentences)]).astype(np.int32),
    )


def plain(document):
    return document.input_ids.tolist(), document.word_starts.tolist(), document.sentence_offsets.tolist()


@st.composite
def documents_and_vocab_size(draw):
    """Draw documents whose ids use the whole range of a vocabulary of 16 or 32 bits."""
    vocab_size = draw(st.sampled_from([10, 21_128, 32_768, 32_769, 65_537, 1 << 31]))
    token = st.tuples(st.integers(0, vocab_size - 1) | st.just(vocab_size - 1), st.booleans())
    first = st.tuples(st.integers(0, vocab_size - 1), st.just(True))
    sentence = st.builds(lambda head, tail: [head, *tail], first, st.lists(token, max_size=8))
    document = st.lists(sentence, min_size=1, max_size=4).map(lambda sentences: document_of(*sentences))
    return draw(st.lists(document, min_size=1, max_size=8)), vocab_size


@given(documents_and_vocab_size(), st.integers(1, 30))
@settings(deadline=None, max_examples=60)
def test_documents_survive_a_round_trip_through_any_number_of_shards(
    tmp_path_factory, documents_and_size, max_tokens_per_shard
):
    documents, vocab_size = documents_and_size
    shards = write_set(
        tmp_path_factory.mktemp("set"), documents, vocab_size=vocab_size, max_tokens_per_shard=max_tokens_per_shard
    )
    found = [shards.document(number) for number in range(shards.num_documents)]
    assert [plain(document) for _, document in found] == [plain(document) for document in documents]
    assert [start for start, _ in found] == np.cumsum([0, *(len(document.input_ids) for document in documents)])[
        :-1
    ].tolist()
    for start, document in found:
        half = len(document.input_ids) // 2
        ids, word_starts = shards.tokens(start + half, len(document.input_ids) - half)
        assert (ids.tolist(), word_starts.tolist()) == (plain(document)[0][half:], plain(document)[1][half:])
    assert all(record.num_tokens >= max_tokens_per_shard for record in shards.manifest.shards[:-1])


def test_a_sentence_longer_than_a_length_entry_survives_a_round_trip(tmp_path):
    document = document_of([(1, True)], [(2, number % 2 == 0) for number in range(70_000)], [(3, True)])
    shards = write_set(tmp_path, [document, document], vocab_size=10)
    assert plain(shards.document(1)[1]) == plain(document)


def test_ids_have_the_smallest_dtype_that_fits_the_vocabulary(tmp_path):
    for vocab_size, dtype in ((32_768, np.uint16), (65_536, np.uint16), (65_537, np.uint32)):
        folder = tmp_path / str(vocab_size)
        folder.mkdir()
        assert (
            write_set(folder, [document_of([(1, True)])], vocab_size=vocab_size).document(0)[1].input_ids.dtype == dtype
        )


def test_reading_a_document_reads_only_its_own_bytes(tmp_path):
    documents = [document_of([(number, True)] * 4, [(number, True)] * 2) for number in range(9)]
    write_set(tmp_path, documents, vocab_size=10)
    path = tmp_path / shard_name(0)
    data = bytearray(path.read_bytes())
    tokens, own_tokens = HEADER.itemsize, range(HEADER.itemsize + 5 * 12, HEADER.itemsize + 6 * 12)
    for position in range(tokens, tokens + 9 * 12):
        if position not in own_tokens:
            data[position] = 0xAA
    lengths, own_lengths = (
        176,
        range(176 + 5 * 4, 176 + 6 * 4),
    )  # 64 + 108 bytes of tokens, up to the next multiple of 8
    for position in range(lengths, lengths + 9 * 4):
        if position not in own_lengths:
            data[position] = 0xAA
    path.write_bytes(data)
    assert plain(ShardSet(tmp_path).document(5)[1]) == plain(documents[5])


def test_an_id_outside_the_vocabulary_is_rejected(tmp_path):
    with pytest.raises(DataError, match="token ids must be below the vocabulary's size 10, but one is 10"):
        write_set(tmp_path, [document_of([(9, True), (10, True)])], vocab_size=10)


@pytest.fixture
def damaged(tmp_path, mini_vocab):
    """The folder of a complete set of two shards, for tests that damage it."""
    folder = tmp_path / "set"
    folder.mkdir()
    documents = [document_of([(1, True), (2, False)], [(3, True)]), document_of([(4, True)])]
    mini_vocab.save(folder / VOCAB_NAME)
    shards = write_set(
        folder, documents, vocab_size=len(mini_vocab), max_tokens_per_shard=1, vocab_sha256=mini_vocab.sha256
    )
    shards.verify()
    assert shards.vocab() == mini_vocab
    return folder


def test_any_flipped_bit_is_found_and_its_file_is_named(damaged):
    path = damaged / shard_name(1)
    whole = path.read_bytes()
    for position in range(len(whole)):
        data = bytearray(whole)
        data[position] ^= 0x10
        path.write_bytes(data)
        message = "" if position < HEADER.itemsize else "its bytes differ from the manifest's checksum"
        with pytest.raises(DataError, match=rf"shard-00001\.wwm: {message}"):
            ShardSet(damaged).verify()


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (0, "missing or empty"),
        (63, "shorter than a header"),
        (64, "must have .* bytes by its header, but has 64"),
        (-1, "must have .* bytes"),
    ],
)
def test_opening_a_truncated_shard_raises_and_names_it(damaged, keep, message):
    path = damaged / shard_name(1)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=rf"shard-00001\.wwm: {message}"):
        ShardSet(damaged)


def test_opening_a_missing_longer_or_foreign_shard_raises_and_names_it(damaged):
    path = damaged / shard_name(0)
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(1))
    with pytest.raises(DataError, match=r"shard-00000\.wwm: must have \d+ bytes by its header, but has \d+"):
        ShardSet(damaged)
    path.write_bytes(b"PK\x03\x04" + whole[4:])
    with pytest.raises(DataError, match=r"shard-00000\.wwm: not a shard of this set"):
        ShardSet(damaged)
    path.unlink()
    with pytest.raises(DataError, match=r"shard-00000\.wwm: missing or empty"):
        ShardSet(damaged)


def test_opening_a_shard_of_another_set_raises_and_names_it(damaged, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_set(other, [document_of([(1, True), (2, True)])], vocab_size=10)
    shutil.copy(other / shard_name(0), damaged / shard_name(0))
    with pytest.raises(DataError, match=r"shard-00000\.wwm: its counts differ from the manifest's"):
        ShardSet(damaged)
    write_set(other, [document_of([(1, True), (2, False)], [(3, True)])], vocab_size=40_000)
    shutil.copy(other / shard_name(0), damaged / shard_name(0))
    with pytest.raises(DataError, match=r"shard-00000\.wwm: not a shard of this set .*32 bits"):
        ShardSet(damaged)


def test_a_changed_or_missing_vocabulary_raises_and_is_named(damaged):
    path = damaged / VOCAB_NAME
    path.write_text(path.read_text(encoding="utf-8") + "more\n", encoding="utf-8")
    for check in (ShardSet(damaged).vocab, ShardSet(damaged).verify):
        with pytest.raises(DataError, match=r"vocab\.txt: differs from the vocabulary that the shards were made with"):
            check()
    path.unlink()
    with pytest.raises(DataError, match=r"vocab\.txt: no such vocabulary"):
        ShardSet(damaged).verify()


def test_a_shard_set_is_a_sequence_of_its_documents(prepared_sample):
    shards = open_shards(prepared_sample.directory)
    size = shards.manifest.num_documents
    assert len(shards) == size > 3

    def ids(document):
        return document.input_ids.tolist()

    expected = [ids(shards.document(number)[1]) for number in range(size)]
    assert [ids(document) for document in shards] == expected
    assert ids(shards[-1]) == expected[-1] and ids(shards[-size]) == expected[0]
    assert [ids(document) for document in shards[-1:0:-2]] == expected[-1:0:-2]
    assert ids(shards[np.int64(1)]) == expected[1]
    for number in (size, -size - 1):
        with pytest.raises(IndexError, match=f"document {number} of"):
            shards[number]
