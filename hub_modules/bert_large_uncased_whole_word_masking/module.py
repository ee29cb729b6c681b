"""bert-large-uncased-whole-word-masking as a PaddleHub module."""

from paddlehub.module.module import moduleinfo

from paddle_wwm.hub import BertHubModule


@moduleinfo(
    name="bert-large-uncased-whole-word-masking",
    version="3.2.0",
    type="nlp/semantic_model",
    author="paddle_wwm",
    author_email="",
    summary="BERT-large, Uncased (Whole Word Masking): an English BERT of 24 layers x 1024, pretrained with whole word masking.",
)
class Module(BertHubModule):
    """The PaddleHub module bert-large-uncased-whole-word-masking."""
