"""chinese-lert-small as a PaddleHub module."""

from paddlehub.module.module import moduleinfo

from paddle_wwm.hub import BertHubModule


@moduleinfo(
    name="chinese-lert-small",
    version="3.2.0",
    type="nlp/semantic_model",
    author="paddle_wwm",
    author_email="",
    summary="LERT-small: a Chinese BERT of 12 layers x 256.",
)
class Module(BertHubModule):
    """The PaddleHub module chinese-lert-small."""
