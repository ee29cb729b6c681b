"""The table of models: names, sizes, training recipes and sources of the Chinese-BERT-wwm series and related models.

All of them are BERT models, including RoBERTa-wwm-ext and the RBT models: "RoBERTa" refers to the training method.
Load them with Bert classes, never with Roberta classes. `paddle-wwm models` prints the table::

    >>> from paddle_wwm.variants import find_variant
    >>> find_variant("hfl/chinese-roberta-wwm-ext").config.num_hidden_layers
    12

Source: the README of ymcui/Chinese-BERT-wwm and replies of its authors. None means that they do not state a value.
"""

from .lookup import find_variant
from .scores import Score, Scores
from .table import VARIANTS
from .types import RANDOM_INIT, Recipe, RecipePhase, Variant

__all__ = [
    "RANDOM_INIT",
    "VARIANTS",
    "Recipe",
    "RecipePhase",
    "Score",
    "Scores",
    "Variant",
    "find_variant",
]
