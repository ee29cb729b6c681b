#!/usr/bin/env python
"""Compare the tokens/s of whole word masking at load time with the peers, on one core, in one run.

  python benchmarks/masking.py --shards shards/mine          on your corpus
  python benchmarks/masking.py --lengths 128 --json m.json   one length, figures to a file
  python benchmarks/masking.py --quick                       check that it runs

Timed, on examples of exactly 128 and 512 tokens that are in memory:
  compiled   pretraining_data/kernel.py: fill_batch over one large batch (ids, types, attention mask, selection,
             actions, labels), into arrays allocated before
  numpy      pretraining_data/masking.py: mask_example, one example at a time. This is the readable definition; a check
             before the timing compares its masks with those of the compiled path.
  PaddleNLP  its DataCollatorForWholeWordMask, if paddlenlp is installed; batches of 32, "##" marks by `chinese_ref`
  HF         the class of the same name in transformers 4 (removed in 5): pip install 'transformers<5' in a separate
             environment. With --shards, this script needs only numpy, numba, tokenizers, filelock and PyYAML there.
  google     the rule of create_pretraining_data.py (google-research/bert) with whole words, written in plain Python for
             this comparison

The figure to read is the ratio (compiled : that row), the median over interleaved repetitions of CPU time; absolute
figures depend on the machine. "selected" should be close to 15% in every row, so that all do the same work. Keep
--batch-tokens large: the branch predictor learns a small batch that is masked repeatedly, which makes it up to twice
as fast as new examples.

The examples are the tokens of the shards in order, cut into pairs of segments of equal length. Documents are repeated
as often as needed. The lengths are exact; the sentence boundaries are not.
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
    """Examples of one length, in memory: in the kernel's form, and one by one."""

    stored: np.ndarray  # tokens as stored in the shards, all segments concatenated
    first_lengths: np.ndarray
    second_lengths: np.ndarray
    word_bit: int
    seq_len: int

    def example(self, number: int, vocab: Vocab) -> PretrainExample:
        """Return one example in the form of the numpy path."""
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
    """Cut the first tokens of the shard set to length; repeat them as needed."""
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
    """Return a function that runs the kernel on all examples, and its output arrays.

    Shape: input ids and types (rows, seq_len) int64, attention mask (rows, seq_len) bool, positions and labels
    (rows, budget) int64, counts (rows,) int64.
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
        "--lengths", type=int, nargs="+", default=[128, 512], metavar="T", help="tokens per example (default: 128 512)"
    )
    parser.add_argument(
        "--batch-tokens",
        type=int,
        default=1 << 20,
        metavar="N",
        help="tokens in the batch of the compiled path (default: %(default)s)",
    )
    parser.add_argument(
        "--repetitions", type=int, default=7, metavar="N", help="interleaved repetitions (default: %(default)s)"
    )
    parser.add_argument(
        "--ours-only",
        action="store_true",
        help="do not measure the collators of other projects (importing paddlenlp takes seconds)",
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
            figures[str(seq_len)] = common.print_timings(f"masking, {seq_len} tokens per example", timings)
    if missing:
        print("", *missing, sep="\n")
    figures["missing"] = missing
    common.write_figures(arguments.json, figures)
    return 0


def contenders_of(
    examples: Examples, *, data: common.Data, config: MaskingConfig, seed: int, collators: dict[str, peers.Collator]
) -> dict[str, Callable[[], common.Work]]:
    """Return the timed functions, ours first. Slow ones get the first examples only."""
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
            sys.exit(f"error: the compiled path and the numpy path mask example {number} differently; run the tests.")
    return {
        "compiled (ours)": run_compiled,
        "numpy (ours)": run_numpy,
        **{name: run_collator(collator) for name, collator in collators.items()},
        peers.GOOGLE: lambda: common.Work(num_tokens=num_tokens, num_selected=google(marked)),
    }


if __name__ == "__main__":
    run_script(main)
