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

A sentence, its words and its mask::

    >>> from paddle_wwm.corpus.segment import SegmenterConfig, make_segmenter, segment
    >>> [sentence] = segment(make_segmenter(SegmenterConfig(name="lac")), ["使用语言模型来预测下一个词的probability。"])
    >>> "|".join(sentence.words)
    '使用|语言|模型|来|预测|下一个|词|的|probability|。'

From a shell: ``paddle-wwm pretrain`` runs the quick start, ``paddle-wwm doctor`` checks the
installation.
Importing this package loads nothing heavy: paddle, paddlenlp and paddlehub are imported where they are first used.
"""

from .version import __version__

__all__ = ["__version__"]
