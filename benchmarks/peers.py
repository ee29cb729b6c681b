"""Whole word masking of other projects, called as in their own examples, on the same examples as ours.

Each is a function from unmasked examples to the number of selected positions. Their input (lists of ids with the
positions of Chinese pieces inside words, or strings with "##") is built beforehand and is not timed.
"""

from __future__ import annotations

import importlib.util
import os
import random
import warnings
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy as np

from paddle_wwm.masking_config import MaskingConfig
from paddle_wwm.pretraining_data.examples import PretrainExample
from paddle_wwm.tokenization.vocab import IGNORED_LABEL, Vocab

Feature = dict[str, list[int]]
Collator = Callable[[list[Feature]], dict[str, Any]]

GOOGLE = "google's rule, plain Python"
PADDLENLP = "PaddleNLP DataCollatorForWholeWordMask"
HUGGING_FACE = "Hugging Face DataCollatorForWholeWordMask"


def inside_words(example: PretrainExample) -> np.ndarray:
    """Return the positions of pieces that do not start a word, as int64."""
    return np.flatnonzero(~example.word_starts & ~example.special_tokens_mask)


def feature_of(example: PretrainExample, vocab: Vocab) -> Feature:
    """Return an example in the form of the two collators.

    `chinese_ref` lists the pieces inside words whose vocabulary entry has no "##".
    """
    ids = example.input_ids.tolist()
    return {
        "input_ids": ids,
        "chinese_ref": [
            position for position in inside_words(example).tolist() if not vocab.tokens[ids[position]].startswith("##")
        ],
    }


def marked_tokens(example: PretrainExample, vocab: Vocab) -> list[str]:
    """Return an example as strings, with "##" at every piece inside a word."""
    inside = set(inside_words(example).tolist())
    tokens = [vocab.tokens[token] for token in example.input_ids.tolist()]
    return [
        "##" + token if place in inside and not token.startswith("##") else token for place, token in enumerate(tokens)
    ]


def num_selected(output: dict[str, Any]) -> int:
    """Count the positions that a collator selected."""
    return int((np.asarray(output["labels"]) != IGNORED_LABEL).sum())


def collators(vocab_file: Path) -> tuple[dict[str, Collator], list[str]]:
    """Return the installed collators, and the reasons why others are missing.

    Both return numpy arrays, which is their faster mode.
    """
    os.environ.setdefault(
        "TRANSFORMERS_VERBOSITY", "error"
    )  # hides the warning that torch is missing, which is not needed
    found: dict[str, Collator] = {}
    missing: list[str] = []
    makers = (
        (PADDLENLP, "paddlenlp.transformers", "paddlenlp.data", "the environment of `make setup` has it"),
        (HUGGING_FACE, "transformers", "transformers", "pip install 'transformers<5' in a separate environment"),
    )
    for name, tokenizers, data, remedy in makers:
        if importlib.util.find_spec(data.partition(".")[0]) is None:
            missing.append(f"{name}: not installed: {remedy}")
            continue
        try:
            tokenizer_class = importlib.import_module(tokenizers).BertTokenizer
            collator_class = importlib.import_module(data).DataCollatorForWholeWordMask
        except (ImportError, AttributeError) as error:
            missing.append(f"{name}: the installed version does not have it ({error}): {remedy}")
            continue
        tokenizer = tokenizer_class(str(vocab_file), do_lower_case=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # transformers 4 announces that the class will be removed
            found[name] = collator_class(tokenizer, mlm_probability=0.15, return_tensors="np")
    return found, missing


def google_masking(config: MaskingConfig, vocab: Vocab, *, seed: int) -> Callable[[Sequence[Sequence[str]]], int]:
    """Return Google's rule in plain Python: strings, random.Random, sets and lists.

    It follows their description. The pieces of a word are one candidate. Candidates are taken in random order, and one
    that would exceed the budget is skipped. Each piece of a selected word becomes [MASK] (80%), a random entry (10%)
    or stays (10%).
    """
    rng, entries = random.Random(seed), vocab.tokens

    def mask(tokens: Sequence[str]) -> tuple[list[str], list[int], list[str]]:
        words: list[list[int]] = []
        for position, token in enumerate(tokens):
            if token in ("[CLS]", "[SEP]"):
                continue
            if words and token.startswith("##"):
                words[-1].append(position)
            else:
                words.append([position])
        rng.shuffle(words)
        budget = config.budget(len(tokens))
        output, selected = list(tokens), []
        for word in words:
            if len(selected) >= budget:
                break
            if len(selected) + len(word) > budget:
                continue
            for position in word:
                if rng.random() < 0.8:
                    output[position] = "[MASK]"
                elif rng.random() < 0.5:
                    output[position] = entries[rng.randint(0, len(entries) - 1)]
                selected.append(position)
        selected.sort()
        return output, selected, [tokens[position] for position in selected]

    return lambda examples: sum(len(mask(tokens)[1]) for tokens in examples)
