"""The model card (README.md) of a folder for transformers, sentence-transformers or ONNX."""

from __future__ import annotations

from ..version import __version__
from .heads import HeadKind
from .opening import OpenedModel

CARD_NAME = "README.md"
_PIPELINES = {
    HeadKind.SEQUENCE: "text-classification",
    HeadKind.MULTI_LABEL: "text-classification",
    HeadKind.TOKENS: "token-classification",
    HeadKind.ANSWERS: "question-answering",
    HeadKind.ANSWERS_WITH_KINDS: "question-answering",
}


def model_card(model: OpenedModel, *, library: str, usage: str, more: str = "") -> str:
    """Return the text of a model card, with only what the files show.

    Args:
        library: the name of the library that opens the folder.
        usage: lines of Python that open it.
        more: one more fact.
    """
    config, head = model.config, model.head
    tags = ["bert"] + ([] if head is not None else ["feature-extraction"])
    pipeline = _PIPELINES.get(head.kind) if head is not None else None
    if head is None and "cls.predictions" not in (*model.absent, *model.untrained):
        pipeline = "fill-mask"
    top = ["---", "language: zh", f"library_name: {library}", *([f"pipeline_tag: {pipeline}"] if pipeline else [])]
    top += ["tags:", *(f"- {tag}" for tag in tags), "---"]
    facts = [
        f"A BERT of {config.num_hidden_layers} layers x {config.hidden_size}, {config.num_attention_heads} heads, "
        f"vocabulary of {config.vocab_size:,} entries, up to {config.max_position_embeddings} positions, "
        f"{model.num_parameters:,} parameters ({', '.join(model.dtypes)}).",
    ]
    if head is not None:
        facts.append(f"Fine-tuned for {head.in_words.split(',')[0]}.")
    if head is not None and head.labels:
        facts += ["", "| class | label |", "|---|---|", *(f"| {n} | {label} |" for n, label in enumerate(head.labels))]
    parts = [f"Without trained {', '.join(model.untrained)}."] if model.untrained else []
    files = ", ".join(dict.fromkeys(path.name for path in model.files))
    return "\n".join(
        [
            *top,
            "",
            f"# {'A fine-tuned' if head is not None else 'A'} Chinese BERT",
            "",
            *facts,
            *(["", *parts] if parts else []),
            *(["", more] if more else []),
            "",
            f"Converted by paddle_wwm {__version__} from a {model.description} ({files}); `conversion.json` has the "
            "checksums and what was done. The licence is that of the source, which the files do not state.",
            "",
            "```python",
            usage,
            "```",
            "",
        ]
    )
