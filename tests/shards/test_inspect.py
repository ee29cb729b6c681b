"""Inspecting shards: statistics are exact, words are visible, and JSON lines contain the documents."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paddle_wwm.errors import DataError
from paddle_wwm.shards.inspection.blocks import BlockReader
from paddle_wwm.shards.inspection.inspect import (
    document_words,
    manifest_lines,
    sample_lines,
    sample_numbers,
    statistics_lines,
)
from paddle_wwm.shards.inspection.jsonl import write_jsonl
from paddle_wwm.shards.inspection.picture import write_picture
from paddle_wwm.shards.inspection.statistics import statistics_of
from paddle_wwm.shards.reader import ShardSet

from ..conftest import vocab_of
from ..shard_sets import write_set
from .builders import DOCUMENTS, WORDS, document_of

# ---- statistics
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_tokens_per_shard", [1 << 20, 1])
def test_statistics_of_a_hand_written_set_are_exact(make, mini_vocab, max_tokens_per_shard):
    it = statistics_of(make("set", *DOCUMENTS, max_tokens_per_shard=max_tokens_per_shard), vocab=mini_vocab)
    assert (it.num_documents, it.num_sentences, it.num_words, it.num_tokens, it.num_unknown_tokens) == (3, 6, 23, 35, 2)
    assert it.tokens_per_document.values.tolist() == [5, 9, 21]
    assert it.sentences_per_document.values.tolist() == [1, 2, 3]
    assert dict(zip(it.tokens_per_sentence.values.tolist(), it.tokens_per_sentence.counts.tolist())) == {
        18: 1,
        3: 2,
        5: 2,
        1: 1,
    }
    assert dict(zip(it.words_per_sentence.values.tolist(), it.words_per_sentence.counts.tolist())) == {
        11: 1,
        2: 2,
        3: 1,
        4: 1,
        1: 1,
    }
    assert dict(zip(it.pieces_per_word.values.tolist(), it.pieces_per_word.counts.tolist())) == {
        1: 14,
        2: 7,
        3: 1,
        4: 1,
    }
    assert dict(zip(it.chars_per_word.values.tolist(), it.chars_per_word.counts.tolist())) == {1: 14, 2: 7, 4: 1, 11: 1}
    assert (it.longest_word, it.longest_word_document) == ("probability", 0)
    assert it.num_tokens_of_long_words == 7 * 2 + 3 + 4
    assert it.num_used_entries == len(set("使用语言模型来预测下一个词的。天气北京大学我们在")) + len(
        ["pro", "##ba", "##bility", "[UNK]"]
    )
    assert (it.tokens_per_document.mean, it.tokens_per_document.num) == (35 / 3, 3)


def test_percentiles_are_existing_values(make, mini_vocab):
    lengths = [1, 2, 3, 4, 100]
    it = statistics_of(
        make("set", *[["|".join("的" * length)] for length in lengths]), vocab=mini_vocab
    ).tokens_per_document
    assert [it.percentile(percent) for percent in (0, 20, 20.1, 50, 80, 81, 100)] == [1, 1, 2, 3, 4, 100, 100]
    assert it.share(100) == 0.2


def test_lengths_above_the_table_size_and_the_length_escape_are_counted(make, mini_vocab):
    sizes = [70_000, 3, 70_000, 65_535, 65_536]
    it = statistics_of(make("set", *[["的" * size] for size in sizes]), vocab=mini_vocab)
    for distribution in (it.tokens_per_document, it.tokens_per_sentence, it.pieces_per_word, it.chars_per_word):
        assert distribution.values.tolist() == [3, 65_535, 65_536, 70_000]
        assert distribution.counts.tolist() == [1, 1, 1, 2]


def test_the_counts_of_the_manifest_equal_those_of_the_shards(prepared_sample):
    found, manifest = statistics_of(prepared_sample, vocab=prepared_sample.vocab()), prepared_sample.manifest
    for name in ("num_documents", "num_sentences", "num_words", "num_tokens", "num_unknown_tokens"):
        assert getattr(found, name) == getattr(manifest, name)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
@settings(deadline=None, max_examples=50)
def test_blocks_of_any_size_contain_the_requested_documents(
    tmp_path_factory, mini_vocab, tokens_per_block, max_tokens_per_shard, data
):
    sentence = st.lists(st.sampled_from(["的", "使用", "probability", "北京大学"]), min_size=1, max_size=5).map(
        "|".join
    )
    documents = data.draw(st.lists(st.lists(sentence, min_size=1, max_size=3), min_size=1, max_size=9))
    tokenized = [document_of(mini_vocab, *sentences) for sentences in documents]
    folder = tmp_path_factory.mktemp("set")
    shards = write_set(folder, tokenized, vocab_size=len(mini_vocab), max_tokens_per_shard=max_tokens_per_shard)
    first = data.draw(st.integers(0, len(documents) - 1))
    last = data.draw(st.integers(first + 1, len(documents)))
    reader = BlockReader(shards)
    blocks = list(reader.read(first=first, last=last, tokens_per_block=tokens_per_block))
    assert sum(block.num_documents for block in blocks) == last - first
    assert all(len(block.ids) <= tokens_per_block or block.num_documents == 1 for block in blocks)
    for block in [*blocks, reader.read_all(first=first, last=last)]:
        ends = np.cumsum(block.num_sentences).tolist()
        for place, (begin, end) in enumerate(zip([0, *ends], ends)):
            start, stop = block.document_offsets[place : place + 2]
            expected = tokenized[block.first_document + place]
            assert block.ids[start:stop].tolist() == expected.input_ids.tolist()
            assert block.word_starts[start:stop].tolist() == expected.word_starts.tolist()
            assert (block.sentence_offsets[begin : end + 1] - start).tolist() == expected.sentence_offsets.tolist()


# ---- text output
# ----------------------------------------------------------------------------------------------------------------------


def test_a_decoded_document_shows_its_words(make, mini_vocab):
    shards = make("set", *DOCUMENTS)
    assert document_words(shards, vocab=mini_vocab, document=0) == [WORDS, "天气|[UNK]"]
    assert list(sample_lines(shards, vocab=mini_vocab, documents=[1])) == [
        "document 1: 1 sentences",
        "  words       北京大学|。",
        "",
    ]


def test_a_sample_is_followed_by_the_kept_text(kept, mini_vocab):
    lines = list(sample_lines(kept("jieba"), vocab=mini_vocab, documents=[0, 2]))
    assert lines[:5] == [
        "document 0 (corpus.txt:1): 3 sentences",
        "  words       使用|语言|模型|来|预测|下|一个|词|的|probability|。",
        "  text        使用语言模型来预测下一个词的probability。",
        "  words       天气|很|好|！",
        "  text        天气很好！",
    ]
    assert "document 2 (corpus.txt:6): 2 sentences" in lines


def test_control_characters_of_a_set_are_escaped(make, mini_vocab):
    vocab = vocab_of((*mini_vocab.tokens, "\x1b"))
    shards = make("set", ["的|\x1b[2"], vocab=vocab)
    assert list(sample_lines(shards, vocab=vocab, documents=[0]))[1] == "  words       的|\\x1b[2"


def test_samples_are_drawn_by_the_seed_from_the_given_documents():
    chosen = [sample_numbers(5, documents=range(100, 1000), seed=seed) for seed in (1, 1, 2)]
    assert chosen[0] == chosen[1] == sorted(set(chosen[0])) != chosen[2]
    assert all(100 <= number < 1000 for number in chosen[0]) and len(chosen[0]) == 5
    assert sample_numbers(5, documents=range(7, 9), seed=1) == [7, 8]


def test_the_summary_shows_how_the_set_was_made(kept, mini_vocab):
    shards = kept("jieba")
    page = "\n".join(
        [
            *manifest_lines(shards),
            *statistics_lines(statistics_of(shards, vocab=mini_vocab), vocab_size=len(mini_vocab)),
        ]
    )
    for part in (
        "corpus.txt  text",
        "segmenter   jieba",
        "do_lower_case True",
        "sentences.ends 。！？",
        "cleaning.rules control_characters nfc",
    ):
        assert part in page, part
    assert f"{shards.manifest.num_documents:,} documents, {shards.manifest.num_sentences:,} sentences" in page
    assert re.search(r"tokens per sentence +[\d.]+ +5 ", page)


def test_a_missing_report_is_accepted_and_a_damaged_one_raises(kept, make, tmp_path):
    assert "nothing was dropped or changed" in "\n".join(manifest_lines(make("set", ["的"])))
    (tmp_path / "set" / "report.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match=r"report\.json: not a report of"):
        list(manifest_lines(ShardSet(tmp_path / "set")))


@pytest.mark.parametrize("documents", [DOCUMENTS, [["的"]], [["的" * 70_000], ["的"]]])
def test_the_picture_is_a_png_with_three_histograms(make, mini_vocab, tmp_path, documents):
    path = tmp_path / "lengths.png"
    write_picture(path, statistics=statistics_of(make("set", *documents), vocab=mini_vocab))
    with Image.open(path) as image:
        image.load()
        assert (image.format, image.size) == ("PNG", (1650, 495))
        for left in (0, 500, 1000):  # each histogram has bars
            colours = image.convert("RGB").crop((left, 0, left + 500, 450)).getcolors(1 << 20)
            assert max(count for count, (red, green, blue) in colours if blue > red + 50) > 1000


# ---- JSON lines
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokens_per_block", [1, 1000, 1 << 20])
def test_json_lines_contain_the_documents(prepared_sample, monkeypatch, tokens_per_block):
    monkeypatch.setattr(
        BlockReader.read, "__kwdefaults__", {**BlockReader.read.__kwdefaults__, "tokens_per_block": tokens_per_block}
    )
    stream, vocab, done = io.BytesIO(), prepared_sample.vocab(), []
    documents = range(3, prepared_sample.num_documents)
    write_jsonl(prepared_sample, vocab=vocab, stream=stream, documents=documents, on_document=lambda: done.append(1))
    lines = [json.loads(line) for line in stream.getvalue().decode("utf-8").splitlines()]
    assert [line["number"] for line in lines] == list(documents) and len(done) == len(documents)
    for line in lines:
        _, document = prepared_sample.document(line["number"])
        assert line["doc_id"] == str(line["number"])
        assert line["input_ids"] == document.input_ids.tolist()
        assert line["word_starts"] == document.word_starts.astype(int).tolist()
        assert line["sentence_offsets"] == document.sentence_offsets.tolist()
        assert line["tokens"] == [vocab.tokens[number] for number in line["input_ids"]]
        assert "sentences" not in line


def test_json_lines_contain_the_kept_text(kept, mini_vocab):
    stream, shards = io.BytesIO(), kept("jieba")
    write_jsonl(shards, vocab=mini_vocab, stream=stream, documents=range(1, 3))
    second, third = map(json.loads, stream.getvalue().decode("utf-8").splitlines())
    assert (second["doc_id"], second["sentences"]) == ("corpus.txt:4", ["这是第二个文档。"])
    assert (third["doc_id"], third["sentences"]) == ("corpus.txt:6", ["天气不好。", "天气很好。"])
    assert len(third["sentence_offsets"]) == 3
