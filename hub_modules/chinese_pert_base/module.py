"""chinese-pert-base as a PaddleHub module."""

from paddlehub.module.module import moduleinfo

from paddle_wwm.hub import BertHubModule


@moduleinfo(
    name="chinese-pert-base",
    version="3.2.0",
    type="nlp/semantic_model",
    author="paddle_wwm",
    author_email="",
    summary="PERT-base: a Chinese BERT of 12 layers x 768.",
)
class Module(BertHubModule):
    """The PaddleHub module chinese-pert-base."""
