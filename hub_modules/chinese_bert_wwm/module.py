"""chinese-bert-wwm as a PaddleHub module."""

from paddlehub.module.module import moduleinfo

from paddle_wwm.hub import BertHubModule


@moduleinfo(
    name="chinese-bert-wwm",
    version="3.2.0",
    type="nlp/semantic_model",
    author="paddle_wwm",
    author_email="",
    summary="BERT-wwm: a Chinese BERT of 12 layers x 768, pretrained with whole word masking.",
)
class Module(BertHubModule):
    """The PaddleHub module chinese-bert-wwm."""
