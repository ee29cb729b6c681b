"""Print the table of models: sizes, training, sources, published scores.

The number of parameters includes a classifier for XNLI.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..variants.types import Recipe, Variant

SUMMARY = "print the table of models, or the details of one"
EXAMPLES = """\
examples:
  # The table
  paddle-wwm models
  # The details of one model, by any of its names
  paddle-wwm models roberta-wwm-ext
  # Everything, for programs
  paddle-wwm models --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="one model, by its name in PaddleHub, PaddleNLP, Hugging Face or a paper, or the name of its archive",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Print the table, one model or JSON."""
    from ..markdown import aligned_table
    from ..variants.lookup import find_variant
    from ..variants.table import VARIANTS

    chosen = [find_variant(arguments.name)] if arguments.name else list(VARIANTS)
    if arguments.json:
        print(json.dumps([record_of(variant) for variant in chosen], ensure_ascii=False, indent=2))
    elif arguments.name:
        print(details_of(chosen[0]))
    else:
        print(aligned_table([row_of(one) for one in chosen]))
        print(
            "\nAll of them are Bert models, RoBERTa-wwm-ext and RBT too: load them with Bert classes. A dash means: "
            "not stated by the authors."
        )


def _quantity(number: int) -> str:
    return (
        f"{number // 1_000_000}M"
        if number % 1_000_000 == 0
        else f"{number // 1000}K"
        if number % 1000 == 0
        else str(number)
    )


def steps_of(recipe: Recipe) -> str:
    """Return the steps in words: "100K x 2560 (128) + 100K x 384 (512)".

    The result is a dash if they are not known.
    """
    parts = [
        (
            f"{_quantity(phase.num_steps)}{f' x {phase.global_batch_size}' if phase.global_batch_size else ''} "
            f"({phase.max_seq_length})"
        )
        for phase in recipe.phases
    ]
    return " + ".join(parts) or "-"


def init_of(recipe: Recipe) -> str:
    """Return the name of the model from which training started."""
    layers = f"first {len(recipe.init_layers)} layers of " if recipe.init_layers else ""
    return f"{layers}{recipe.init or '-'}"


def row_of(variant: Variant) -> dict[str, str]:
    """Return the cells of a model's row by column, for display."""
    from ..model_config import count_parameters
    from ..variants.types import NUM_XNLI_LABELS

    config = variant.config
    return {
        "name": variant.name,
        "title": variant.title,
        "layers x hidden": f"{config.num_hidden_layers} x {config.hidden_size}",
        "parameters": f"{count_parameters(config, num_labels=NUM_XNLI_LABELS) // 1_000_000}M",
        "vocabulary": f"{config.vocab_size:,}",
        "cased": "no" if variant.do_lower_case else "yes",
        "masking": variant.recipe.masking,
        "steps x batch (length)": steps_of(variant.recipe),
        "optimizer": variant.recipe.optimizer or "-",
        "from": init_of(variant.recipe),
        "source": variant.source,
    }


def record_of(variant: Variant) -> dict[str, Any]:
    """Return all facts about a model, for JSON."""
    from ..config import to_plain
    from ..datasets.table import DATASETS, learning_rate_of
    from ..model_config import count_parameters
    from ..variants.lookup import names_of
    from ..variants.types import NUM_XNLI_LABELS

    rates = {one.name: learning_rate_of(one, model=variant.name) for one in DATASETS.values() if one.learning_rates}
    return {
        **to_plain(variant),
        "hub_name": variant.hub_name,
        "names": list(names_of(variant)),
        "model_class": "Bert",
        "num_parameters": count_parameters(variant.config, num_labels=NUM_XNLI_LABELS),
        "published_scores": {
            task: {
                split: {name: [score.max, score.mean] for name, score in scores.by_metric.items()}
                for split, scores in splits.items()
            }
            for task, splits in variant.published_scores.items()
        },
        "learning_rates": {task: {"value": rate, "source": source} for task, (rate, source) in rates.items()},
    }


def details_of(variant: Variant) -> str:
    """Return all facts about a model, one per line."""
    facts = {
        **row_of(variant),
        "corpus": f"{variant.corpus}{f' ({variant.num_tokens} tokens)' if variant.num_tokens else ''}",
        "licence": variant.licence,
        "archive": f"{variant.archive}.zip" if variant.archive else "-",
        "trained heads": "-" if variant.trained_heads is None else ", ".join(variant.trained_heads) or "none",
        "assumed": ", ".join(variant.recipe.assumed) or "nothing",
        "other names": ", ".join(dict.fromkeys((*variant.aliases, variant.source))),
        "class": "Bert (BertModel, BertTokenizer), never Roberta",
    }
    lines = [f"{name:<24}{value}" for name, value in facts.items()]
    for task, splits in variant.published_scores.items():
        for split, scores in splits.items():
            cells = [
                f"{score.max} ({score.mean})" if score.mean is not None else f"{score.max}"
                for score in scores.by_metric.values()
            ]
            lines.append(f"{f'{task} {split}':<24}{' / '.join(cells)}")
    return "\n".join(lines)
