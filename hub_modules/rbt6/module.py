"""rbt6 as a PaddleHub module."""

from paddlehub.module.module import moduleinfo

from paddle_wwm.hub import BertHubModule


@moduleinfo(
    name="rbt6",
    version="3.2.0",
    type="nlp/semantic_model",
    author="paddle_wwm",
    author_email="",
    summary="RBT6: a Chinese BERT of 6 layers x 768, pretrained with whole word masking.",
)
class Module(BertHubModule):
    """The PaddleHub module rbt6."""
