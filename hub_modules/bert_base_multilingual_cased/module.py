"""bert-base-multilingual-cased as a PaddleHub module."""

from paddlehub.module.module import moduleinfo

from paddle_wwm.hub import BertHubModule


@moduleinfo(
    name="bert-base-multilingual-cased",
    version="3.2.0",
    type="nlp/semantic_model",
    author="paddle_wwm",
    author_email="",
    summary="BERT-base, Multilingual Cased: a multilingual BERT of 12 layers x 768.",
)
class Module(BertHubModule):
    """The PaddleHub module bert-base-multilingual-cased."""
