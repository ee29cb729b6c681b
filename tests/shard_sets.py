"""Make shard sets from tokenized documents, without text."""

from __future__ import annotations

from paddle_wwm.shards.manifest import (
    FORMAT_VERSION,
    SegmenterRecord,
    ShardManifest,
    content_fingerprint,
    write_manifest,
)
from paddle_wwm.shards.preparation.work_plan import PrepareConfig
from paddle_wwm.shards.reader import ShardSet
from paddle_wwm.shards.writer import ShardWriter
from paddle_wwm.tokenization.wordpiece import TokenizerOptions


def write_set(folder, documents, *, vocab_size, max_tokens_per_shard=1 << 20, vocab_sha256=""):
    """Write shards and their manifest from tokenized documents."""
    writer = ShardWriter(folder, vocab_size=vocab_size, max_tokens_per_shard=max_tokens_per_shard)
    for document in documents:
        writer.add(document)
    writer.flush()
    manifest = ShardManifest(
        format_version=FORMAT_VERSION,
        num_documents=len(documents),
        num_sentences=sum(len(document.sentence_offsets) - 1 for document in documents),
        num_words=sum(int(document.word_starts.sum()) for document in documents),
        num_tokens=sum(len(document.input_ids) for document in documents),
        num_unknown_tokens=0,
        vocab_size=vocab_size,
        vocab_sha256=vocab_sha256,
        segmenter=SegmenterRecord(name="none", model_sha256=""),
        tokenizer=TokenizerOptions(do_lower_case=True),
        options=PrepareConfig().content_options(),
        sources=(),
        report={},
        shards=tuple(writer.shards),
        texts=(),
        inputs_fingerprint="",
        fingerprint=content_fingerprint(vocab_sha256=vocab_sha256, shards=writer.shards),
    )
    write_manifest(folder, manifest)
    return ShardSet(folder)
