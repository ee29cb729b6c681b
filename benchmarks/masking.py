#!/usr/bin/env python
"""Whole word masking at load: tokens a second on one core, ours beside the peers', in one run.

  python benchmarks/masking.py --shards shards/mine          on a corpus of yours
  python benchmarks/masking.py --lengths 128 --json m.json   one length, figures to a file
  python benchmarks/masking.py --quick                       does it run?

What is timed, on examples of exactly 128 and of 512 tokens that lie in memory:
  compiled   pretraining_data/kernel.py: fill_batch over one large batch (ids, types, attention mask, selection,
  actions, labels), its arrays
             allocated before
  numpy      pretraining_data/masking.py: mask_example, one example at a time; the readable definition, which gives the
  same masks (checked first)
  PaddleNLP  its DataCollatorForWholeWordMask, where paddlenlp is installed; batches of 32, the "##" marks by
  `chinese_ref`
  HF         transformers' class of that name (4.x only, it is gone in 5): pip install 'transformers<5' in an
  environment of its own; this script
             needs only numpy, numba, tokenizers, filelock and PyYAML besides, if --shards names prepared shards
  google     the rule of google-research/bert's create_pretraining_data.py with whole words, written in plain Python
  for this comparison

Read the ratio (compiled : that row), the median over interleaved repetitions of CPU time; absolute figures belong to
the machine. "selected" should be close to 15% in every row: all do the same work. Leave --batch-tokens large: a small
batch, masked again and again, is learnt by heart by the processor's branch prediction and is up to twice as fast as
new examples are.

Examples are the tokens of the shards in their order, the documents repeated as often as it takes, cut into pairs of
equally long segments; their length is exact, their sentences are not.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Callable

import common
import numpy as np
import peers

from paddle_wwm.cli.process import run_script
from paddle_wwm.masking_config import MaskingConfig
from paddle_wwm.pretraining_data.collate import kernel_settings
from paddle_wwm.pretraining_data.examples import PretrainExample
from paddle_wwm.pretraining_data.masking import mask_example, num_to_predict
from paddle_wwm.random_bits import keys_of
from paddle_wwm.shards.shard_format import VOCAB_NAME
from paddle_wwm.tokenization.vocab import IGNORED_LABEL, Vocab

COLLATOR_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Examples of one length, in memory: as the kernel reads them, and one by one."""

    stored: np.ndarray  # tokens as the shards hold them, all segments one after the other
    first_lengths: np.ndarray
    second_lengths: np.ndarray
    word_bit: int
    seq_len: int

    def example(self, number: int, vocab: Vocab) -> PretrainExample:
        """One of them as the numpy path takes it."""
        middle, size = 1 + int(self.first_lengths[number]), self.seq_len - 3
        stored = self.stored[number * size : (number + 1) * size]
        special = np.zeros(self.seq_len, bool)
        special[[0, middle, -1]] = True
        ids, starts = np.full(self.seq_len, vocab.sep_id, np.int64), np.zeros(self.seq_len, bool)
        ids[~special], starts[~special] = stored & ((1 << self.word_bit) - 1), stored >> self.word_bit
        ids[0], starts[[1, middle + 1]] = vocab.cls_id, True
        types = (np.arange(self.seq_len) > middle).astype(np.int64)
        return PretrainExample(
            input_ids=ids, token_type_ids=types, word_starts=starts, special_tokens_mask=special, next_sentence_label=0
        )


def make_examples(data: common.Data, *, seq_len: int, num_examples: int) -> Examples:
    """The first tokens of the shard set, repeated where it has too few, cut to length."""
    shards, needed, parts = data.shards, num_examples * (seq_len - 3), []
    found = number = 0
    while found < needed:
        start, document = shards.document(number % shards.num_documents)
        parts.append(shards.stored_tokens(start, len(document.input_ids)))
        found, number = found + len(parts[-1]), number + 1
    first = (seq_len - 3) // 2
    return Examples(
        stored=np.concatenate(parts)[:needed],
        first_lengths=np.full(num_examples, first, np.int64),
        second_lengths=np.full(num_examples, seq_len - 3 - first, np.int64),
        word_bit=shards.word_bit,
        seq_len=seq_len,
    )


def compiled_masking(
    examples: Examples, *, vocab: Vocab, config: MaskingConfig, seed: int
) -> tuple[Callable[[], common.Work], list[np.ndarray]]:
    """The kernel over all examples, and the arrays that it fills: input ids, types, attention mask, positions, labels,
    counts.
    """
    from paddle_wwm.pretraining_data.kernel import fill_batch

    rows, length = len(examples.first_lengths), examples.seq_len
    budget = num_to_predict(length, config)
    arrays = [
        np.full((rows, length), vocab.pad_id, np.int64),
        np.zeros((rows, length), np.int64),
        np.zeros((rows, length), bool),
        np.zeros((rows, budget), np.int64),
        np.full((rows, budget), IGNORED_LABEL, np.int64),
        np.zeros(rows, np.int64),
    ]
    keys = keys_of(seed, np.zeros(rows, np.int64), np.arange(rows))
    settings = kernel_settings(config, vocab=vocab, word_bit=examples.word_bit)

    def run() -> common.Work:
        fill_batch(
            examples.stored,
            examples.first_lengths,
            examples.second_lengths,
            keys,
            *settings,
            *arrays,
        )
        return common.Work(num_tokens=rows * length, num_selected=int(arrays[-1].sum()))

    return run, arrays


def main() -> int:
    parser = common.parser_of(__doc__)
    parser.add_argument(
        "--lengths", type=int, nargs="+", default=[128, 512], metavar="T", help="tokens an example (default: 128 512)"
    )
    parser.add_argument(
        "--batch-tokens",
        type=int,
        default=1 << 20,
        metavar="N",
        help="tokens of the compiled path's batch (default: %(default)s)",
    )
    parser.add_argument(
        "--repetitions", type=int, default=7, metavar="N", help="interleaved repetitions (default: %(default)s)"
    )
    parser.add_argument(
        "--ours-only",
        action="store_true",
        help="leave the other projects' collators out (importing paddlenlp takes seconds)",
    )
    arguments = parser.parse_args()
    batch_tokens, repetitions, min_s = arguments.batch_tokens, arguments.repetitions, 0.3
    if arguments.quick:
        batch_tokens, repetitions, min_s = 1 << 15, 2, 0.0
    config = MaskingConfig()
    with common.open_data(arguments.shards) as data:
        figures = common.print_conditions(data)
        collators, missing = ({}, []) if arguments.ours_only else peers.collators(data.shards.directory / VOCAB_NAME)
        for seq_len in arguments.lengths:
            examples = make_examples(data, seq_len=seq_len, num_examples=max(COLLATOR_BATCH, batch_tokens // seq_len))
            contenders = contenders_of(examples, data=data, config=config, seed=arguments.seed, collators=collators)
            timings = common.interleaved(contenders, num_repetitions=repetitions, min_s=min_s)
            figures[str(seq_len)] = common.print_timings(f"masking, {seq_len} tokens an example", timings)
    if missing:
        print("", *missing, sep="\n")
    figures["missing"] = missing
    common.write_figures(arguments.json, figures)
    return 0


def contenders_of(
    examples: Examples, *, data: common.Data, config: MaskingConfig, seed: int, collators: dict[str, peers.Collator]
) -> dict[str, Callable[[], common.Work]]:
    """All that are timed, ours first. The slow ones get the first examples of the batch."""
    vocab, seq_len = data.vocab, examples.seq_len
    run_compiled, arrays = compiled_masking(examples, vocab=vocab, config=config, seed=seed)
    singles = [examples.example(number, vocab) for number in range(COLLATOR_BATCH)]
    features, marked = (
        [peers.feature_of(item, vocab) for item in singles],
        [peers.marked_tokens(item, vocab) for item in singles],
    )
    google = peers.google_masking(config, vocab, seed=seed)
    num_tokens = len(singles) * seq_len

    def by_numpy(number: int):
        return mask_example(
            singles[number],
            config=config,
            mask_id=vocab.mask_id,
            random_token_ids=vocab.random_token_ids,
            seed=seed,
            epoch=0,
            example_index=number,
        )

    def run_numpy() -> common.Work:
        return common.Work(
            num_tokens=num_tokens,
            num_selected=sum(len(by_numpy(number).masked_lm_positions) for number in range(len(singles))),
        )

    def run_collator(collator: peers.Collator) -> Callable[[], common.Work]:
        return lambda: common.Work(num_tokens=num_tokens, num_selected=peers.num_selected(collator(features)))

    run_compiled()
    for number in range(len(singles)):
        if not np.array_equal(by_numpy(number).input_ids, arrays[0][number]):
            sys.exit(f"error: the compiled and the numpy path mask example {number} differently; run the tests.")
    return {
        "compiled (ours)": run_compiled,
        "numpy (ours)": run_numpy,
        **{name: run_collator(collator) for name, collator in collators.items()},
        peers.GOOGLE: lambda: common.Work(num_tokens=num_tokens, num_selected=google(marked)),
    }


if __name__ == "__main__":
    run_script(main)
