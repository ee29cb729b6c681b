"""Damage is found and named, even if the checksum is correct."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_wwm.errors import DataError
from paddle_wwm.files import sha256_of_file
from paddle_wwm.shards.inspection.kept_texts import read_texts
from paddle_wwm.shards.inspection.statistics import statistics_of
from paddle_wwm.shards.inspection.verify_shards import open_with_vocab, verify
from paddle_wwm.shards.reader import ShardSet
from paddle_wwm.shards.records import write_records
from paddle_wwm.shards.shard_format import HEADER, section_offsets

from .builders import DOCUMENTS, rewrite_manifest


def test_a_complete_set_passes_verification(kept, make, prepared_sample):
    found = verify(kept("none").directory)
    assert (found.num_files, found.num_documents, found.num_texts) == (3, 3, 3)
    assert verify(prepared_sample.directory).num_tokens == prepared_sample.manifest.num_tokens


def test_the_error_names_all_damaged_files(make):
    directory = make("set", *DOCUMENTS, max_tokens_per_shard=1).directory
    data = bytearray((directory / "shard-00000.wwm").read_bytes())
    data[-1] ^= 1
    (directory / "shard-00000.wwm").write_bytes(data)
    (directory / "shard-00002.wwm").unlink()
    with pytest.raises(
        DataError, match=r"shard-00000\.wwm: its bytes differ .*checksum; .*shard-00002\.wwm: missing"
    ) as error:
        verify(directory)
    assert "shard-00001" not in str(error.value)


@pytest.mark.parametrize(
    ("section", "place", "value", "message"),
    [
        ("tokens", 0, 0x8000 | 5000, r"document 0: its ids must be below the vocabulary's size \d+"),
        ("tokens", 21, 7, "document 1: a sentence's first token must start a word"),
        ("lengths", 0, 17, "document 0: the lengths of its sentences must sum to its number of tokens"),
        ("lengths", 2, 0, "document 1: its sentences must have tokens, but one has none"),
        ("lengths", 2, 0xFFFF, "document 1: its last sentence must have a length"),
        ("index", 2, 0, "the offsets of its documents must rise from 0 to 35 tokens and 6 lengths"),
        ("index", 0, 1, "the offsets of its documents must rise"),
        ("index", 7, 5, "the offsets of its documents must rise"),
    ],
)
def test_bytes_that_break_a_rule_are_found_even_with_a_correct_checksum(
    make, mini_vocab, section, place, value, message
):
    directory = make("set", *DOCUMENTS).directory
    path = directory / "shard-00000.wwm"
    data = np.fromfile(path, np.uint8)
    header = data[: HEADER.itemsize].view(HEADER)[0]
    sizes = {name: int(header[name]) for name in ("num_tokens", "num_lengths", "num_documents")}
    tokens, lengths, index, end = section_offsets(bits=16, **sizes)
    places = {
        "tokens": data[tokens : tokens + 2 * sizes["num_tokens"]].view("<u2"),
        "lengths": data[lengths : lengths + 2 * sizes["num_lengths"]].view("<u2"),
        "index": data[index:end].view("<u8"),
    }
    places[section][place] = value
    data.tofile(path)
    rewrite_manifest(directory)
    with pytest.raises(DataError, match=rf"shard-00000\.wwm: {message}"):
        verify(directory)
    with pytest.raises(DataError, match=message):  # reading the whole set raises the same error
        statistics_of(ShardSet(directory), vocab=mini_vocab)


def test_counts_fingerprint_and_vocabulary_must_match_the_shards(make):
    directory = make("set", ["的|?"], ["使用"]).directory
    with pytest.raises(
        DataError, match=r"must equal those of the shards, but differ: num_unknown_tokens 0 \(shards: 1\)"
    ):
        verify(directory)
    rewrite_manifest(directory, num_unknown_tokens=1)
    verify(directory)
    rewrite_manifest(directory, num_unknown_tokens=1, num_words=7, num_sentences=8)
    with pytest.raises(DataError, match=r"num_sentences 8 \(shards: 2\), num_words 7 \(shards: 3\)"):
        verify(directory)
    rewrite_manifest(directory, fingerprint="0")
    with pytest.raises(DataError, match=r"manifest\.json: its fingerprint must match its checksums"):
        verify(directory)
    rewrite_manifest(directory, vocab_size=5)
    with pytest.raises(DataError, match=r"`vocab_size` must be \d+ as in vocab.txt, but is 5"):
        open_with_vocab(directory)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([["f:1", ["a"]]], r"text-00000.jsonl.zst: must have 2 lines, but has fewer"),
        ([["f:1", ["a"]], ["f:2", ["b", "c"]], ["f:3", ["d"]]], r"text-00000.jsonl.zst: has more than the 2 lines"),
        ([["f:1", ["a"]], ["f:2", ["b"]]], "the kept text of document 1 must have 2 sentences, but has 1"),
        ([["f:1", ["a"]], {"f:2": 1}], r"text-00000.jsonl.zst: line 2 must be"),
        ([["f:1", ["a"]], ["f:2", [1]]], r"text-00000.jsonl.zst: line 2 must be"),
        (b"\x28\xb5\x2f\xfd not zstd", r"text-00000.jsonl.zst: "),
    ],
)
def test_kept_text_that_does_not_match_the_documents_is_an_error(make, records, message):
    directory = make("set", ["的"], ["使用", "的"]).directory
    path = directory / "text-00000.jsonl.zst"
    if isinstance(records, bytes):
        path.write_bytes(records)
    else:
        write_records(path, records)
    rewrite_manifest(directory, texts=({"file": path.name, "num_documents": 2, "sha256": sha256_of_file(path)},))
    with pytest.raises(DataError, match=message):
        verify(directory)


def test_kept_text_is_read_from_several_files_and_frames(make, tmp_path):
    shards = make("set", *[["的"]] * 7)
    directory = shards.directory
    for number, (first, last) in enumerate([(0, 3), (3, 4), (4, 7)]):
        for place in range(first, last):  # one frame per document, concatenated as in pass 3
            write_records(tmp_path / "frame", [[f"f:{place}", [f"text {place}"]]])
            with open(directory / f"text-0000{number}.jsonl.zst", "ab") as stream:
                stream.write((tmp_path / "frame").read_bytes())
    texts = [
        {"file": f"text-0000{number}.jsonl.zst", "num_documents": size, "sha256": ""}
        for number, size in enumerate([3, 1, 3])
    ]
    rewrite_manifest(directory, texts=tuple(texts))
    shards = ShardSet(directory)
    for documents in (range(7), [0], [6], [2, 3], [1, 4, 5], range(3, 5), []):
        assert [text.doc_id for text in read_texts(shards, documents=documents)] == [
            f"f:{number}" for number in documents
        ]
    (directory / "text-00001.jsonl.zst").unlink()
    assert [text.doc_id for text in read_texts(shards, documents=[1, 5])] == ["f:1", "f:5"], (
        "a file that is not needed must not be opened"
    )
    with pytest.raises(DataError, match=r"text-00001\.jsonl\.zst: missing"):
        list(read_texts(shards, documents=[3]))
