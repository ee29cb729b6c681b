"""Pretrain, package and use whole-word-masked Chinese BERT models on PaddlePaddle.

The data flow, with the subpackage of each step::

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

``dir(paddle_wwm)`` lists the public names; ``docs/library.md`` has an example of each. The library logs to the logger
"paddle_wwm" and prints nothing. Long-running functions report to the callback `progress`.

From a shell, ``paddle-wwm pretrain`` runs the quick start and ``paddle-wwm doctor`` checks the installation.

Importing this package is fast. A public name is imported from its subpackage on first use; paddle, paddlenlp and
paddlehub are imported when a function first needs them.
"""

import importlib
import logging
from typing import Any

from .version import __version__

# Public name -> module. __init__.pyi repeats this table for type checkers. A public name must differ from every
# submodule's name: importing that submodule would replace the public name.
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

logging.getLogger(__name__).addHandler(logging.NullHandler())  # the program decides what to show


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
