"""chinese-bert-wwm-quickstart as a PaddleHub module."""

from paddlehub.module.module import moduleinfo

from paddle_wwm.hub import BertHubModule


@moduleinfo(
    name="chinese-bert-wwm-quickstart",
    version="3.2.0",
    type="nlp/semantic_model",
    author="paddle_wwm",
    author_email="",
    summary="A demonstration: the tiny BERT of the quick start, with whole word masking. Not a useful model.",
)
class Module(BertHubModule):
    """The PaddleHub module chinese-bert-wwm-quickstart."""
