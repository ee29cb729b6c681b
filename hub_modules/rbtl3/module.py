"""rbtl3 as a PaddleHub module."""

from paddlehub.module.module import moduleinfo

from paddle_wwm.hub import BertHubModule


@moduleinfo(
    name="rbtl3",
    version="3.2.0",
    type="nlp/semantic_model",
    author="paddle_wwm",
    author_email="",
    summary="RBTL3: a Chinese BERT of 3 layers x 1024, pretrained with whole word masking.",
)
class Module(BertHubModule):
    """The PaddleHub module rbtl3."""
