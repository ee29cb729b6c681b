"""The format of shard files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paddle_wwm.shards.shard_format import (
    HEADER,
    LENGTH_ESCAPE,
    decode_lengths,
    encode_lengths,
    section_offsets,
    shard_name,
    token_bits,
    token_dtype,
)

lengths_of_sentences = st.lists(
    st.integers(1, 200) | st.integers(LENGTH_ESCAPE - 2, LENGTH_ESCAPE + 2) | st.integers(1, 400_000), max_size=20
)


@given(lengths_of_sentences)
@example([LENGTH_ESCAPE])
@example([2 * LENGTH_ESCAPE, 1])
def test_lengths_of_any_size_survive_encoding(lengths):
    encoded = encode_lengths(np.array(lengths, np.int64))
    assert encoded.dtype == np.dtype("<u2")
    assert decode_lengths(encoded).tolist() == lengths


@pytest.mark.parametrize(
    ("lengths", "entries"),
    [
        ([], []),
        ([1, 65_534], [1, 65_534]),
        ([65_535], [65_535, 0]),
        ([7, 65_536, 7], [7, 65_535, 1, 7]),
        ([131_075], [65_535, 65_535, 5]),
    ],
)
def test_the_escape_value_is_added_to_the_next_entry(lengths, entries):
    assert encode_lengths(np.array(lengths, np.int64)).tolist() == entries


@given(
    bits=st.sampled_from([16, 32]),
    num_tokens=st.integers(0, 10**12),
    num_lengths=st.integers(0, 10**10),
    num_documents=st.integers(0, 10**9),
)
def test_sections_are_aligned_contiguous_and_large_enough(bits, num_tokens, num_lengths, num_documents):
    tokens, sentences, documents, end = section_offsets(
        bits=bits, num_tokens=num_tokens, num_lengths=num_lengths, num_documents=num_documents
    )
    assert tokens == HEADER.itemsize == 64
    assert (tokens % 8, sentences % 8, documents % 8) == (0, 0, 0)
    assert 0 <= sentences - (tokens + num_tokens * bits // 8) < 8
    assert 0 <= documents - (sentences + num_lengths * 2) < 8
    assert end == documents + (num_documents + 1) * 16


@pytest.mark.parametrize(
    ("vocab_size", "bits", "num_bytes"),
    [(5, 16, 2), (21_128, 16, 2), (32_768, 16, 2), (32_769, 32, 4), (250_000, 32, 4)],
)
def test_a_token_takes_two_bytes_if_ids_fit_in_15_bits(vocab_size, bits, num_bytes):
    assert token_bits(vocab_size) == bits
    assert token_dtype(bits).itemsize == num_bytes


def test_shard_names_sort_by_number():
    names = [shard_name(number) for number in (0, 1, 9, 10, 99_999)]
    assert names[0] == "shard-00000.wwm"
    assert names == sorted(names)
