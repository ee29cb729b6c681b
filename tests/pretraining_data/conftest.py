"""Shard sets made by hand."""

from __future__ import annotations

from typing import Callable

import pytest

from .builders import documents_of, write_shard_set


@pytest.fixture(scope="session")
def shards_of(tmp_path_factory) -> Callable:
    """A function from documents, or from word lengths by document and sentence, to a ShardSet in a folder of
    its own.
    """

    def make(corpus, **options):
        documents = list(corpus) if hasattr(corpus[0], "input_ids") else documents_of(corpus)
        return write_shard_set(tmp_path_factory.mktemp("shards") / "set", documents, **options)

    return make
