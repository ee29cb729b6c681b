"""Hand-written documents and manifests, for tests that inspect, compare and damage shard sets."""

from __future__ import annotations

import dataclasses

import numpy as np

from paddle_wwm.files import sha256_of_file
from paddle_wwm.shards.manifest import content_fingerprint, read_manifest, write_manifest
from paddle_wwm.tokenization.tokenized import TokenizedDocument

WORDS = "使用|语言|模型|来|预测|下|一个|词|的|probability|。"
DOCUMENTS = [[WORDS, "天气|?"], ["北京大学|。"], ["一|一|一", "我们|在|?|。", "的"]]


def pieces_of(word, vocab):
    """Return the WordPieces of a word in the hand-written vocabulary; "?" becomes [UNK]."""
    return (
        ["pro", "##ba", "##bility"]
        if word == "probability"
        else ["[UNK]" if character == "?" else character for character in word]
    )


def document_of(vocab, *sentences):
    """Make a document from sentences such as 使用|语言."""
    words = [[pieces_of(word, vocab) for word in sentence.split("|")] for sentence in sentences]
    pieces = [(piece, place == 0) for sentence in words for word in sentence for place, piece in enumerate(word)]
    return TokenizedDocument(
        input_ids=np.array([vocab.ids[piece] for piece, _ in pieces], np.uint32),
        word_starts=np.array([starts for _, starts in pieces], bool),
        sentence_offsets=np.cumsum([0, *(sum(map(len, sentence)) for sentence in words)]).astype(np.int32),
    )


def rewrite_manifest(directory, **changes):
    """Change values of the manifest, and update its checksums and fingerprint to the current files."""
    manifest = read_manifest(directory)
    shards, texts = (
        tuple(dataclasses.replace(one, sha256=sha256_of_file(directory / one.file)) for one in records)
        for records in (manifest.shards, manifest.texts)
    )
    fingerprint = content_fingerprint(vocab_sha256=manifest.vocab_sha256, shards=shards)
    values = {"shards": shards, "texts": texts, "fingerprint": fingerprint, **changes}
    write_manifest(directory, dataclasses.replace(manifest, **values))
