"""Export a shard set as JSON lines, one document per line, for other programs."""

from __future__ import annotations

import json
from typing import IO, Callable

import numpy as np

from ...tokenization.vocab import Vocab
from ..reader import ShardSet
from .blocks import BlockReader
from .kept_texts import read_texts


def write_jsonl(
    shards: ShardSet,
    *,
    vocab: Vocab,
    stream: IO[bytes],
    documents: range,
    on_document: Callable[[], object] = lambda: None,
) -> None:
    """Write consecutive documents in order, as UTF-8. Each line has these keys::

        number            number of the document in the set, from 0
        doc_id            "file:line" if the text was kept, else the number as text
        tokens            the pieces, as in vocab.txt
        input_ids         their ids
        word_starts       1 if the piece starts a word, else 0
        sentence_offsets  sentence i consists of the pieces [offsets[i], offsets[i + 1])
        sentences         the text of each sentence, if it was kept

    Raises:
        DataError: The shards or the kept text are damaged.
    """
    pieces = np.array(vocab.tokens, object)
    texts = read_texts(shards, documents=documents) if shards.manifest.texts else None
    for block in BlockReader(shards).read(first=documents.start, last=documents.stop):
        first_sentence = 0
        for place, num_sentences in enumerate(block.num_sentences.tolist()):
            start, end = block.document_offsets[place : place + 2].tolist()
            number, ids = block.first_document + place, block.ids[start:end]
            offsets = block.sentence_offsets[first_sentence : first_sentence + num_sentences + 1] - start
            first_sentence += num_sentences
            text = next(texts) if texts else None
            line = {
                "number": number,
                "doc_id": text.doc_id if text else str(number),
                "tokens": pieces[ids].tolist(),
                "input_ids": ids.tolist(),
                "word_starts": block.word_starts[start:end].view(np.uint8).tolist(),
                "sentence_offsets": offsets.tolist(),
                **({"sentences": text.sentences} if text else {}),
            }
            stream.write(json.dumps(line, ensure_ascii=False).encode("utf-8") + b"\n")
            on_document()
