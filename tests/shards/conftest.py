"""Fixtures for shard sets of a few sentences."""

from __future__ import annotations

import pytest

from paddle_wwm.corpus.segment import SegmenterConfig
from paddle_wwm.shards.preparation.engines import EngineConfig
from paddle_wwm.shards.preparation.prepare import prepare_corpus
from paddle_wwm.shards.preparation.work_plan import PrepareConfig
from paddle_wwm.shards.reader import ShardSet
from paddle_wwm.shards.shard_format import VOCAB_NAME

from ..shard_sets import write_set
from . import small
from .builders import document_of

TEXT = "使用语言模型来预测下一个词的probability。天气很好！\n我们在北京大学学习。\n\n这是第二个文档。\n\n天气不好。\n天气很好。\n"  # noqa: E501


@pytest.fixture
def make(tmp_path, mini_vocab):
    """A function that makes a shard set from documents, each a list of sentences."""

    def call(name, *documents, vocab=mini_vocab, **options):
        folder = tmp_path / name
        folder.mkdir()
        vocab.save(folder / VOCAB_NAME)
        tokenized = [document_of(vocab, *sentences) for sentences in documents]
        return write_set(folder, tokenized, vocab_size=len(vocab), vocab_sha256=vocab.sha256, **options)

    return call


@pytest.fixture(scope="module")
def kept(tmp_path_factory, mini_vocab):
    """A function that prepares TEXT with the given segmenter and keeps the text."""
    folder = tmp_path_factory.mktemp("kept")
    path = folder / "corpus.txt"
    path.write_text(TEXT, encoding="utf-8")

    def call(segmenter, **options):
        config = PrepareConfig(segmenter=SegmenterConfig(name=segmenter), keep_text=True, **options)
        output = folder / f"{segmenter} {options}"
        prepare_corpus(
            corpus=[path],
            vocab=mini_vocab,
            config=config,
            output=output,
            engine=EngineConfig(num_workers=1),
        )
        return ShardSet(output)

    return call


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text(small.TEXT, encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path, corpus, mini_vocab):
    """A function that prepares the small corpus into out/set; keywords replace the defaults."""

    def call(**changes):
        defaults = {
            "corpus": [corpus],
            "vocab": mini_vocab,
            "output": tmp_path / "out" / "set",
            "engine": small.ONE_WORKER,
        }
        return prepare_corpus(**{**defaults, **changes})

    return call
