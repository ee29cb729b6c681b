"""Pretrain, package and use whole-word-masked Chinese BERT models on PaddlePaddle.

What flows, and the room (subpackage) that does it::

    raw text ─► documents ─► LAC words ─► WordPiece ids + word starts ─► shards on disk
    (corpus)    (corpus)     (corpus)     (tokenization)                 (shards)
                                                                            │
      checkpoint ◄─ fleet training ◄─ batches ◄─ whole word masks ◄─ examples
          │         (training, model)           (pretraining_data)
          ├─► hub module ─► hub install ─► hub.Module(name=…)
          │   (hub, tasks)
          └─► Google TF, Hugging Face, PaddleNLP, both ways; published weights by name
              (conversion, variants, download)

A sentence and its whole word mask::

    >>> from paddle_wwm import WholeWordMasker, load_segmenter, load_vocab
    >>> masker = WholeWordMasker(vocab=load_vocab("vocab.txt"), segmenter=load_segmenter("lac"), max_seq_length=128)
    >>> batch = masker(["使用语言模型来预测下一个词的probability。"], seed=1, epoch=0)
    >>> batch.input_ids.shape, batch.masked_lm_positions.shape
    ((1, 20), (1, 3))

The public names are those of ``dir(paddle_wwm)``; ``docs/library.md`` shows each of them at work. The library logs
under the logger "paddle_wwm" and prints nothing. Long work reports to the callback `progress`.

From a shell: ``paddle-wwm pretrain`` runs the quick start, ``paddle-wwm doctor`` checks the
installation.
Importing this package loads nothing heavy: a public name is imported from its room when it is first used, and paddle,
paddlenlp and paddlehub where they are first needed.
"""

import importlib
import logging
from typing import Any

from .version import __version__

# The public names and where they are; __init__.pyi says the same to type checkers. No name may be that of a submodule:
# importing the submodule would replace it.
_MODULES = {
    "BertForPretraining": "model.heads",
    "WholeWordMasker": "pretraining_data.masker",
    "build_module": "hub.build",
    "convert": "conversion.convert",
    "evaluate": "evaluation.evaluate",
    "fetch": "download.models",
    "find_variant": "variants.lookup",
    "finetune": "finetuning.run",
    "install_module": "hub.install",
    "load_model": "tasks.loading",
    "load_segmenter": "corpus.segment",
    "load_vocab": "tokenization.vocab",
    "open_shards": "shards.reader",
    "prepare_corpus": "shards.preparation.prepare",
    "pretrain": "pretraining.run",
    "verify": "conversion.verify",
}

__all__ = ["__version__", *_MODULES]

logging.getLogger(__name__).addHandler(logging.NullHandler())  # what is shown is the program's choice


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
