"""rbt3 as a PaddleHub module."""

from paddlehub.module.module import moduleinfo

from paddle_wwm.hub import BertHubModule


@moduleinfo(
    name="rbt3",
    version="3.2.0",
    type="nlp/semantic_model",
    author="paddle_wwm",
    author_email="",
    summary="RBT3: a Chinese BERT of 3 layers x 768, pretrained with whole word masking.",
)
class Module(BertHubModule):
    """The PaddleHub module rbt3."""
