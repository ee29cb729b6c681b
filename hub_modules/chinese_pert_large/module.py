"""chinese-pert-large as a PaddleHub module."""

from paddlehub.module.module import moduleinfo

from paddle_wwm.hub import BertHubModule


@moduleinfo(
    name="chinese-pert-large",
    version="3.2.0",
    type="nlp/semantic_model",
    author="paddle_wwm",
    author_email="",
    summary="PERT-large: a Chinese BERT of 24 layers x 1024.",
)
class Module(BertHubModule):
    """The PaddleHub module chinese-pert-large."""
