"""The options of a conversion that few calls need."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence


@dataclass(frozen=True, kw_only=True)
class ConversionOptions:
    """What `convert` reads, changes and writes besides the model itself.

    Args:
        merge: the folder of a LoRA adapter of peft to merge into the weights.
        positions_shifted: for a model that was fine-tuned in PaddleNLP's Roberta class, which numbers positions from 1:
            shift the position table by one.
        add_words: words to add to the vocabulary, see `growth`.
        use_unused: take over the entries [unusedN] for them first.
        pooling: for sentence-transformers: "mean" of the tokens, "cls" or "max".
        normalize: for sentence-transformers: divide every vector by its length.
        ignore_crc: do not compare the checksums of PyTorch files; torch can write files without them.
        ignored_config_keys: names of keys of the configuration to read as if they were absent.

    Example:
        >>> from paddle_wwm import convert
        >>> from paddle_wwm.conversion.options import ConversionOptions
        >>> options = ConversionOptions(add_words=["预训练"])
        >>> _ = convert("model", target="with-words", to="paddle", options=options)
    """

    merge: str | Path | None = None
    positions_shifted: bool = False
    add_words: Sequence[str] = ()
    use_unused: bool = False
    pooling: str = "mean"
    normalize: bool = False
    ignore_crc: bool = False
    ignored_config_keys: Sequence[str] = ()
