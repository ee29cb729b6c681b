"""Shard sets made by hand."""

from __future__ import annotations

from typing import Callable

import pytest

from .builders import documents_of, write_shard_set


@pytest.fixture(scope="session")
def shards_of(tmp_path_factory) -> Callable:
    """Return a function that makes a ShardSet in a new folder.

    It takes documents, or word lengths by document and sentence.
    """

    def make(corpus, **options):
        documents = list(corpus) if hasattr(corpus[0], "input_ids") else documents_of(corpus)
        return write_shard_set(tmp_path_factory.mktemp("shards") / "set", documents, **options)

    return make
