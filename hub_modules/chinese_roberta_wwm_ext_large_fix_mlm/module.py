"""chinese-roberta-wwm-ext-large-fix-mlm as a PaddleHub module."""

from paddlehub.module.module import moduleinfo

from paddle_wwm.hub import BertHubModule


@moduleinfo(
    name="chinese-roberta-wwm-ext-large-fix-mlm",
    version="3.2.0",
    type="nlp/semantic_model",
    author="paddle_wwm",
    author_email="",
    summary="RoBERTa-wwm-ext-large, with a trained MLM head: a Chinese BERT of 24 layers x 1024, pretrained with whole word masking.",
)
class Module(BertHubModule):
    """The PaddleHub module chinese-roberta-wwm-ext-large-fix-mlm."""
