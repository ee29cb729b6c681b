#!/usr/bin/env python
"""Compare reading comprehension over long passages with PaddleNLP's loop, in one run.

  python benchmarks/question_answering.py                       CMRC 2018 (PADDLE_WWM_DATA) or random characters
  python benchmarks/question_answering.py --data DIR --number 40
  python benchmarks/question_answering.py --quick               check that it runs

The contexts have 2,000 characters. Both sides: RBT3's shape (3 layers x 768) with the same random weights, one thread,
windows of at most 512 tokens with an overlap of 128, from texts to answers. On AMD processors both use the setting of
paddle_wwm/cpu.py.
  ours       hub module, task question-answering, `predict`
  PaddleNLP  its tokenizer with stride and offsets, BertForQuestionAnswering in dygraph, batches of 12 windows padded to
             the longest, and its `compute_prediction` (the 20 best starts and ends of every window, answers of at most
             64 tokens). It runs with our windows and with those of its examples. There doc_stride=128 is the step
             between windows, so four times as many tokens as necessary are read.

The figure to read is the ratio: the median over interleaved repetitions of CPU time. The weights are random, so the
answers mean nothing; they are compared anyway.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import warnings
from pathlib import Path

import hub_peers
import numpy as np
from common import print_table, write_figures

from paddle_wwm.cli.process import run_script

CONTEXT_CHARACTERS, MAX_SEQ_LEN, DOC_STRIDE, BATCH_WINDOWS = 2000, 512, 128, 12


def questions_of(data: Path | None, *, number: int, seed: int) -> tuple[list[dict[str, str]], str]:
    """Return questions over passages of 2,000 characters, joined from shorter ones."""
    source = data and data / "tasks" / "cmrc2018" / "cmrc2018_dev.json"
    if source and source.exists():
        articles = json.loads(source.read_text(encoding="utf-8"))["data"]
        passages = [passage for article in articles for passage in article["paragraphs"]]
        whole = "".join(passage["context"] for passage in passages)
        questions = [passage["qas"][0]["question"] for passage in passages]
        name = "CMRC 2018, development set"
    else:
        rng = np.random.default_rng(seed)
        whole = "".join(map(chr, rng.integers(0x4E00, 0x9FA6, CONTEXT_CHARACTERS * number)))
        questions, name = [whole[place : place + 15] for place in range(number)], "random characters"
    places = [place * CONTEXT_CHARACTERS % (len(whole) - CONTEXT_CHARACTERS + 1) for place in range(number)]
    items = [
        {"question": questions[index % len(questions)], "context": whole[place : place + CONTEXT_CHARACTERS]}
        for index, place in enumerate(places)
    ]
    return items, name


class _Examples(list):
    """The input form of compute_prediction: a list that also returns columns by name."""

    def __getitem__(self, key):
        return [example[key] for example in self] if isinstance(key, str) else super().__getitem__(key)


def paddlenlp_answers(model, tokenizer, items, *, same_windows: bool) -> list[str]:
    """Return answers, found by the loop of PaddleNLP's examples."""
    import paddle
    from paddlenlp.metrics.squad import compute_prediction

    examples = _Examples({"id": str(number), **item} for number, item in enumerate(items))
    features = []
    for example in examples:
        room = MAX_SEQ_LEN - 3 - len(tokenizer.tokenize(example["question"]))
        encoded = tokenizer(
            [example["question"]], [example["context"]], stride=room - DOC_STRIDE if same_windows else DOC_STRIDE, max_length=MAX_SEQ_LEN,  # noqa: E501
            truncation="only_second",
            return_overflowing_tokens=True, return_offsets_mapping=True, return_token_type_ids=True,
        )  # fmt: skip
        for ids, types, offsets in zip(encoded["input_ids"], encoded["token_type_ids"], encoded["offset_mapping"]):
            shown = [place if kind == 1 else None for place, kind in zip(offsets, types)]
            features.append(
                {"example_id": example["id"], "input_ids": ids, "token_type_ids": types, "offset_mapping": shown}
            )
    starts, ends = [], []
    with paddle.no_grad():
        for first in range(0, len(features), BATCH_WINDOWS):
            batch = features[first : first + BATCH_WINDOWS]
            longest = max(len(one["input_ids"]) for one in batch)
            padded = [
                paddle.to_tensor([one[key] + [0] * (longest - len(one[key])) for one in batch])
                for key in ("input_ids", "token_type_ids")
            ]
            start, end = model(*padded)
            starts += [row[: len(one["input_ids"])] for row, one in zip(start.numpy(), batch)]
            ends += [row[: len(one["input_ids"])] for row, one in zip(end.numpy(), batch)]
    predictions, _, _ = compute_prediction(examples, features, (starts, ends), False, 20, 64)
    return [predictions[example["id"]] for example in examples]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="a folder with tasks/cmrc2018 and vocab/ (default: $PADDLE_WWM_DATA)"
    )
    parser.add_argument(
        "--number", type=int, default=40, metavar="N", help="number of questions (default: %(default)s)"
    )
    parser.add_argument(
        "--repetitions", type=int, default=3, metavar="N", help="interleaved repetitions (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the texts (default: %(default)s)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="use a tiny model and few questions, to check that it runs; the figures mean nothing",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    arguments = parser.parse_args()
    if arguments.data is None and os.environ.get("PADDLE_WWM_DATA"):
        arguments.data = Path(os.environ["PADDLE_WWM_DATA"])
    if arguments.quick:
        arguments.number, arguments.repetitions = min(arguments.number, 4), 1
    warnings.filterwarnings("ignore", message="the classifier of")
    from paddle_wwm.hub import BertHubModule

    vocab = hub_peers.vocab_of(arguments.data)
    items, name = questions_of(arguments.data, number=arguments.number, seed=arguments.seed)
    print(f"{len(items)} questions over contexts of {CONTEXT_CHARACTERS:,} characters: {name}")
    setting = os.environ.get("MKL_DEBUG_CPU_TYPE", "not set")
    print(f"windows of {MAX_SEQ_LEN} tokens, overlap {DOC_STRIDE}, one thread, MKL_DEBUG_CPU_TYPE={setting}")
    with hub_peers.random_model(vocab, quick=arguments.quick) as folder:
        module = BertHubModule(task="question-answering", weights=str(folder))
        model, tokenizer = hub_peers.paddlenlp_model(
            "BertForQuestionAnswering", folder, state=module.model.state_dict()
        )

        def ours():
            results = module.predict(items, doc_stride=DOC_STRIDE, max_seq_len=MAX_SEQ_LEN)
            return [result["text"] for result in results]

        contenders = {
            "ours": ours,
            "PaddleNLP": lambda: paddlenlp_answers(model, tokenizer, items, same_windows=True),
            "PaddleNLP, its windows": lambda: paddlenlp_answers(model, tokenizer, items, same_windows=False),
        }
        seconds, answers = {key: [] for key in contenders}, {}
        for _ in range(arguments.repetitions):
            for key, call in contenders.items():
                spent, answers[key] = hub_peers.cpu_seconds(call)
                seconds[key].append(spent)
    figures, rows = {"questions": len(items)}, []
    for key, spent in seconds.items():
        ratio = statistics.median(theirs / mine for mine, theirs in zip(spent, seconds["PaddleNLP"]))
        figures[key] = {"questions_per_s": len(items) / statistics.median(spent), "ratio_to_paddlenlp": ratio}
        rows.append([key, f"{figures[key]['questions_per_s']:.2f}", f"{ratio:.2f}x"])
    print_table("question answering, 2,000 characters each", ("", "questions/s", "to PaddleNLP"), rows)
    figures["same_answers"] = float(
        np.mean([one == other for one, other in zip(answers["ours"], answers["PaddleNLP"])])
    )
    print(f"the same answer for {figures['same_answers']:.0%} (its search uses only the 20 best starts and ends)")
    write_figures(arguments.json, figures)


if __name__ == "__main__":
    run_script(main)
