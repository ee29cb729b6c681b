#!/usr/bin/env python
"""Compare the masks over millions of tokens with the settings: shares, actions, words and pairs.

  python benchmarks/masking_distribution.py --shards shards/mine --png masking.png
  python benchmarks/masking_distribution.py --strategy ngram-word --length 512
  python benchmarks/masking_distribution.py --quick          check that it runs

Examples are drawn step by step as in training and masked by both paths. The numpy path gives the word statistics, the
compiled path the padding; a check compares their numbers of selected positions. What to look for:
  selected    close to masked_lm_prob of the tokens. The shortfall is the part of the budget into which no word fitted,
              because words are never cut.
  actions     80 / 10 / 10 within a few standard errors. "unchanged" includes random tokens that equal the original.
  words       selected words are slightly shorter than all words, because long words fit the end of a budget less often
  pairs       half of the pairs for which both labels are possible have a random next sentence. "forced" pairs had no
              second sentence that could follow.
  padding     the share of padding in the positions of a micro-batch
"""

from __future__ import annotations

import itertools
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import common
import numpy as np

from paddle_wwm.cli.process import run_script
from paddle_wwm.config import DataConfig, SentencePairing
from paddle_wwm.masking_config import MaskingConfig, MaskingStrategy
from paddle_wwm.pretraining_data.collate import PretrainData
from paddle_wwm.pretraining_data.masking import num_to_predict
from paddle_wwm.pretraining_data.sampler import order_of

LONGEST_SHOWN = 5  # one row for all words of at least this many pieces


def main() -> int:
    parser = common.parser_of(__doc__)
    parser.add_argument(
        "--tokens", type=int, default=5_000_000, metavar="N", help="tokens to count (default: %(default)s)"
    )
    parser.add_argument("--length", type=int, default=128, metavar="T", help="max_seq_length (default: %(default)s)")
    parser.add_argument(
        "--pairing",
        default="next-sentence",
        choices=[item.value for item in SentencePairing],
        help="default: %(default)s",
    )
    parser.add_argument(
        "--strategy",
        default="whole-word",
        choices=[item.value for item in MaskingStrategy],
        help="default: %(default)s",
    )
    parser.add_argument(
        "--global-batch-size", type=int, default=256, metavar="N", help="examples per step (default: %(default)s)"
    )
    parser.add_argument(
        "--micro-batch-size", type=int, default=32, metavar="N", help="examples per micro-batch (default: %(default)s)"
    )
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw the tables into this file")
    arguments = parser.parse_args()
    cut = {"global_batch_size": arguments.global_batch_size, "micro_batch_size": arguments.micro_batch_size}
    num_tokens = 20_000 if arguments.quick else arguments.tokens
    masking = MaskingConfig(strategy=MaskingStrategy(arguments.strategy))
    config = DataConfig(pairing=SentencePairing(arguments.pairing))
    with common.open_data(arguments.shards) as data:
        figures = common.print_conditions(data)
        index, report = common.write_index(data, config=config, max_seq_length=arguments.length, seed=arguments.seed)
        loader = common.pretrain_data(data, index_path=index, seed=arguments.seed, masking=masking)
        counts = count(loader, masking=masking, num_tokens=num_tokens, cut=cut)
    sections = sections_of(counts, report, masking=masking)
    print(
        (
            f"{counts['tokens']:,} tokens in {counts['examples']:,} examples "
            f"({counts['examples'] / loader.num_examples:.1f} epochs), "
        ),
        end="",
    )
    print(f"up to {arguments.length} tokens, {arguments.strategy}, {arguments.pairing}")
    for title, headings, rows in sections:
        common.print_table(title, headings, rows)
    for name in sorted(set(report) - {"pairs_random", "pairs_next", "pairs_random_forced"}):
        print(f"\n{name.replace('_', ' ')}: {report[name]:,}")
    if arguments.png:
        draw(
            arguments.png,
            counts,
            masking=masking,
            title=f"{arguments.strategy}, {arguments.pairing}, {counts['tokens']:,} tokens",
        )
        print(f"\ndrawn: {arguments.png}")
    named = {
        " ".join(map(str, key)) if isinstance(key, tuple) else key: value
        for key, value in sorted(counts.items(), key=str)
    }
    common.write_figures(arguments.json, {**figures, "counts": named, "report": dict(report)})
    return 0


def count(loader: PretrainData, *, masking: MaskingConfig, num_tokens: int, cut: dict[str, int]) -> Counter:
    """Count over training steps until `num_tokens` tokens; keys are names or tuples."""
    counts: Counter = Counter()
    for step in itertools.count():
        if counts["tokens"] >= num_tokens:
            return counts
        first = step * cut["global_batch_size"]
        numbers = np.arange(first, first + cut["global_batch_size"])
        selected_before = counts["selected"]
        for epoch, index in zip(
            *(array.tolist() for array in order_of(numbers, num_examples=loader.num_examples, seed=loader.seed))
        ):
            count_example(counts, loader, masking, epoch=epoch, index=index)
        selected = 0
        for batch in loader.micro_batches(first_example=first, rank=0, num_ranks=1, **cut):
            selected += batch.num_predictions
            counts["positions"] += batch.attention_mask.size
            counts["padding"] += batch.attention_mask.size - batch.num_tokens
        if selected != counts["selected"] - selected_before:
            sys.exit(f"error: the compiled path and the numpy path select differently in step {step}; run the tests.")


def count_example(counts: Counter, loader: PretrainData, masking: MaskingConfig, *, epoch: int, index: int) -> None:
    """Update the counts with one example and its mask."""
    example, item = loader.masked(index, epoch=epoch)
    chosen = np.zeros(len(example.input_ids), bool)
    chosen[item.masked_lm_positions] = True
    now, before = item.input_ids[chosen], example.input_ids[chosen]
    counts["examples"] += 1
    counts["tokens"] += len(chosen)
    counts["selected"] += len(now)
    counts["budget"] += num_to_predict(len(chosen), masking)
    counts["without prediction"] += not len(now)
    counts["action", "[MASK]"] += int((now == loader.vocab.mask_id).sum())
    counts["action", "unchanged"] += int((now == before).sum())
    counts["action", "random"] += int(((now != loader.vocab.mask_id) & (now != before)).sum())
    words = np.cumsum(example.word_starts)[~example.special_tokens_mask] - 1
    sizes = np.bincount(words)
    parts = np.bincount(words, weights=chosen[~example.special_tokens_mask]).astype(int)
    counts["words"] += len(sizes)
    counts["words touched"] += int((parts > 0).sum())
    counts["words cut"] += int(((parts > 0) & (parts < sizes)).sum())
    for name, lengths in (("all words", sizes), ("selected words", sizes[parts == sizes])):
        for length, number in enumerate(np.bincount(np.minimum(lengths, LONGEST_SHOWN))):
            counts[name, length] += int(number)
    counts["label", example.next_sentence_label] += 1


def sections_of(
    counts: Counter, report: Counter, *, masking: MaskingConfig
) -> list[tuple[str, tuple[str, ...], list[list[str]]]]:
    """Return the tables, each as title, headings and rows."""
    tokens, selected, examples = counts["tokens"], counts["selected"], counts["examples"]
    shares = [
        ["budget", f"{counts['budget']:,}", f"{counts['budget'] / tokens:.3%}"],
        ["selected", f"{selected:,}", f"{selected / tokens:.3%}"],
        ["shortfall", f"{counts['budget'] - selected:,}", f"{(counts['budget'] - selected) / tokens:.3%}"],
        [
            "examples without prediction",
            f"{counts['without prediction']:,}",
            f"{counts['without prediction'] / examples:.3%} of the examples",
        ],
    ]
    actions = []
    for name, promised in promises(masking).items():
        found, error = counts["action", name] / selected, math.sqrt(promised * (1 - promised) / selected)
        deviation = f"{(found - promised) / error:+.1f}" if error else "-"
        actions.append([name, f"{counts['action', name]:,}", f"{found:.3%}", f"{promised:.1%}", deviation])
    words = [
        [
            f"{name_of(length)} piece(s)",
            *(f"{share_of(counts, which, length):.2%}" for which in ("all words", "selected words")),
        ]
        for length in range(1, LONGEST_SHOWN + 1)
    ]
    per_mask = [
        ["words selected in an example", f"{counts['words touched'] / examples:.2f}"],
        ["pieces in a selected word", f"{selected / max(1, counts['words touched']):.3f}"],
        ["pieces in a word", f"{(tokens - special_tokens(counts)) / counts['words']:.3f}"],
        ["words selected in part", f"{counts['words cut']:,}"],
    ]
    sections = [
        ("selected", ("", "tokens", "share"), shares),
        ("actions", ("", "tokens", "share", "expected", "standard errors off"), actions),
        ("word lengths", ("", "all words", "selected words"), words),
        ("words per mask", ("", "mean, or number"), per_mask),
    ]
    free = report["pairs_random"] + report["pairs_next"]
    if free + report["pairs_random_forced"]:
        pairs = [
            ["next", f"{report['pairs_next']:,}", f"{report['pairs_next'] / max(1, free):.2%}"],
            ["random", f"{report['pairs_random']:,}", f"{report['pairs_random'] / max(1, free):.2%}"],
            ["random, forced", f"{report['pairs_random_forced']:,}", "-"],
        ]
        sections.append(("pair labels of the index", ("", "examples", "where both are possible"), pairs))
    padding = [["padding", f"{counts['padding']:,}", f"{counts['padding'] / counts['positions']:.2%}"]]
    return [*sections, ("padding", ("", "positions", "share"), padding)]


def promises(masking: MaskingConfig) -> dict[str, float]:
    """Return the shares of the actions according to the settings."""
    mask, random = masking.mask_token_prob, masking.random_token_prob
    return {"[MASK]": mask, "random": random, "unchanged": 1 - mask - random}


def name_of(length: int) -> str:
    """Return the row name of a word length: 1, 2, …, 5+."""
    return f"{length}+" if length == LONGEST_SHOWN else str(length)


def share_of(counts: Counter, name: str, length: int) -> float:
    """Return the share of words that have `length` pieces."""
    return counts[name, length] / max(1, sum(counts[name, other] for other in range(1, LONGEST_SHOWN + 1)))


def special_tokens(counts: Counter) -> int:
    """Count [CLS] and [SEP] in all examples: two for one segment, else three."""
    return 3 * counts["examples"] - counts["label", -1]


def draw(path: Path, counts: Counter, *, masking: MaskingConfig, title: str) -> None:
    """Draw three panels: selected share and budget, actions, word lengths."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lengths = [name_of(length) for length in range(1, LONGEST_SHOWN + 1)]
    actions = promises(masking)
    panels: list[tuple[str, list[str], dict[str, list[Any]]]] = [
        (
            "% of tokens",
            ["budget", "selected"],
            {"": [counts[name] / counts["tokens"] for name in ("budget", "selected")]},
        ),
        (
            "% of selected pieces",
            list(actions),
            {
                "promised": list(actions.values()),
                "found": [counts["action", name] / counts["selected"] for name in actions],
            },
        ),
        (
            "% of words, by pieces",
            lengths,
            {
                name: [share_of(counts, name, length) for length in range(1, LONGEST_SHOWN + 1)]
                for name in ("all words", "selected words")
            },
        ),
    ]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(13, 4), layout="constrained")
    for axis, (label, names, series) in zip(axes, panels):
        width = 0.8 / len(series)
        for number, (name, values) in enumerate(series.items()):
            places = np.arange(len(names)) + (number - (len(series) - 1) / 2) * width
            axis.bar_label(axis.bar(places, 100 * np.array(values), width, label=name or None), fmt="%.1f", fontsize=8)
        axis.set_xticks(range(len(names)), names)
        axis.set_ylabel(label)
        if len(series) > 1:
            axis.legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    run_script(main)
