"""The table of models: what the series and its relatives are called, how large they are, how they were trained, where
they come from.

Every one of them is a Bert model, RoBERTa-wwm-ext and the RBT models too: "RoBERTa" names the way they were trained.
Load them with Bert classes, never with Roberta ones. `paddle-wwm models` prints the table::

    >>> from paddle_wwm.variants import find_variant
    >>> find_variant("hfl/chinese-roberta-wwm-ext").config.num_hidden_layers
    12

Source: the README of ymcui/Chinese-BERT-wwm and its authors' replies; None stands for what they do not state.
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
