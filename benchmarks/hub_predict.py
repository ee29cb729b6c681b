#!/usr/bin/env python
"""Compare `predict` of a hub module with the official modules, in one run: texts/s, latency, start-up, memory.

  python benchmarks/hub_predict.py                                    texts of ChnSentiCorp (PADDLE_WWM_DATA) or random
  python benchmarks/hub_predict.py --data DIR --torch-python PYTHON   also torch + transformers of another environment
  python benchmarks/hub_predict.py --quick                            check that it runs

All contenders: RBT3's shape (3 layers x 768), a classifier of two classes, one thread, at most 256 tokens per text. The
first two have the same random weights and compute probabilities from texts, tokenizer included. Random texts have the
lengths of ChnSentiCorp. On AMD processors both use the setting of paddle_wwm/cpu.py, without which Paddle is a third as
fast.
  ours      hub module, task seq-cls, `predict`
  official  PaddleNLP's BertForSequenceClassification in dygraph with its own tokenizer; batches of 32 in arrival order,
            each padded to its longest text
  torch     the class of transformers; batches sorted by length, at most 1,024 tokens each. It gets ids, so it does not
            tokenize.

The figure to read is the ratio: the median over interleaved repetitions of CPU time. The outputs are compared first
(1e-5).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import warnings
from pathlib import Path

import hub_peers
import numpy as np
from common import print_table, write_figures

from paddle_wwm.cli.process import run_script

MAX_SEQ_LEN = 256
TORCH = """
import json, sys, time
import numpy as np, torch, transformers
torch.set_num_threads(1)
sizes, lengths, bf16 = json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3] == "bf16"
model = transformers.BertForSequenceClassification(transformers.BertConfig(**sizes, num_labels=2)).eval()
if bf16: model = model.to(torch.bfloat16)
lengths = sorted(lengths)
batches, start = [], 0
while start < len(lengths):
    end = start + 1
    while end < len(lengths) and (end + 1 - start) * lengths[end] <= 1024: end += 1
    batches.append(lengths[start:end]); start = end
def run():
    for batch in batches:
        ids, mask = torch.randint(1000, 20000, (len(batch), batch[-1])), torch.zeros(len(batch), batch[-1], dtype=torch.long)
        for row, length in enumerate(batch): mask[row, :length] = 1
        model(input_ids=ids, attention_mask=mask)
with torch.inference_mode():
    run_times = []
    for _ in range(int(sys.argv[4])):
        started = time.process_time(); run(); run_times.append(time.process_time() - started)
print(json.dumps({"seconds": run_times}))
"""  # noqa: E501


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="a folder with tasks/chnsenticorp and vocab/ (default: $PADDLE_WWM_DATA)",
    )
    parser.add_argument("--number", type=int, default=1000, metavar="N", help="number of texts (default: %(default)s)")
    parser.add_argument(
        "--repetitions", type=int, default=3, metavar="N", help="interleaved repetitions (default: %(default)s)"
    )
    parser.add_argument(
        "--torch-python", type=Path, metavar="PYTHON", help="an interpreter that has torch and transformers"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the texts (default: %(default)s)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="use a tiny model and few texts, to check that it runs; the figures mean nothing",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    parser.add_argument("--start-of", choices=("ours", "official"), help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*were cut at their end")  # intended here
    warnings.filterwarnings("ignore", message="the classifier of")
    if arguments.data is None and os.environ.get("PADDLE_WWM_DATA"):
        arguments.data = Path(os.environ["PADDLE_WWM_DATA"])
    if arguments.quick:
        arguments.number, arguments.repetitions = min(arguments.number, 40), 1
    if arguments.start_of:
        measure_start(arguments)
        return
    compare(arguments)


def compare(arguments: argparse.Namespace) -> None:
    import paddle

    from paddle_wwm.hub import BertHubModule, inference
    from paddle_wwm.tasks.examples import TextExample
    from paddle_wwm.tasks.text_classification import encode_texts

    vocab = hub_peers.vocab_of(arguments.data)
    texts, name = hub_peers.reviews(arguments.data, number=arguments.number, seed=arguments.seed)
    print(
        f"{len(texts):,} texts: {name}, up to {MAX_SEQ_LEN} tokens; mean "
        f"{np.mean([len(text) for text in texts]):.0f} characters"
    )
    print(
        f"Paddle {paddle.__version__}, one thread, "
        f"MKL_DEBUG_CPU_TYPE={os.environ.get('MKL_DEBUG_CPU_TYPE', 'not set')} on both sides"
    )
    with hub_peers.random_model(vocab, quick=arguments.quick) as folder:
        module = BertHubModule(task="seq-cls", weights=str(folder))
        module.set_state_dict(module.state_dict())  # avoids the warning about its random classifier
        model, tokenizer = hub_peers.paddlenlp_model(
            "BertForSequenceClassification", folder, state=module.model.state_dict()
        )

        def ours(some=texts, precision="fp32"):
            return np.array(module.predict(some, max_seq_len=MAX_SEQ_LEN, return_prob=True, precision=precision)[1])

        def official(some=texts):
            return hub_peers.official_probabilities(model, tokenizer, some, max_seq_len=MAX_SEQ_LEN)

        def bf16(some=texts):
            return ours(some, "bf16")

        contenders = {"ours": ours, "official": official}
        if inference.has_bf16():
            contenders["ours, bf16"] = bf16
        seconds, outputs = {name: [] for name in contenders}, {}
        for _ in range(arguments.repetitions):
            for name, call in contenders.items():
                spent, outputs[name] = hub_peers.cpu_seconds(call)
                seconds[name].append(spent)
        examples = [TextExample(example_id=text, text=text) for text in texts]
        rows, _ = encode_texts(examples, tokenizer=module._tokenizer, max_seq_length=MAX_SEQ_LEN)
        same_ids = np.array(
            [
                row.input_ids == tokenizer(text, max_length=MAX_SEQ_LEN, truncation=True)["input_ids"]
                for row, text in zip(rows, texts)
            ]
        )
        difference = float(np.abs(outputs["ours"] - outputs["official"])[same_ids].max())
        figures = {"texts": len(texts), "difference": difference, "other_ids": int((~same_ids).sum())}
        print(f"largest difference of a probability, ours and official: {difference:.1e}")
        print(
            f"  (without {figures['other_ids']} text(s) that PaddleNLP's tokenizer splits differently from Google's "
            f"and Hugging Face's)"
        )
        if "ours, bf16" in outputs:
            same = float((outputs["ours, bf16"].argmax(1) == outputs["ours"].argmax(1)).mean())
            print(
                f"bf16: the same label for {same:.1%}, largest difference "
                f"{np.abs(outputs['ours, bf16'] - outputs['ours']).max():.1e}"
            )
            figures["bf16_same_labels"] = same
        if arguments.torch_python:
            lengths = list(map(len, rows))
            sizes = {"vocab_size": len(vocab), **(hub_peers.QUICK if arguments.quick else hub_peers.RBT3)}
            for precision in ("fp32", *(("bf16",) if "ours, bf16" in seconds else ())):
                call = ["-c", TORCH, json.dumps(sizes), json.dumps(lengths), precision, arguments.repetitions]
                seconds[f"torch, {precision}"] = hub_peers.in_new_process(call, python=arguments.torch_python)[
                    "seconds"
                ]
        rows = []
        for name, spent in seconds.items():
            ratio = statistics.median(theirs / mine for mine, theirs in zip(spent, seconds["official"]))
            figures[name] = {"texts_per_s": len(texts) / statistics.median(spent), "ratio_to_official": ratio}
            rows.append([name, f"{figures[name]['texts_per_s']:.1f}", f"{ratio:.2f}x"])
        print_table("predict, first call included", ("", "texts/s", "to official"), rows)

        rows, singles = [], texts[: 20 if arguments.quick else 200]
        for name, call in contenders.items():
            times = [1e3 * hub_peers.cpu_seconds(lambda text=text, call=call: call([text]))[0] for text in singles]
            figures[name] |= {"p50_ms": float(np.percentile(times, 50)), "p99_ms": float(np.percentile(times, 99))}
            rows.append([name, f"{figures[name]['p50_ms']:.1f}", f"{figures[name]['p99_ms']:.1f}"])
        print_table(f"one text per call, {len(singles)} calls, CPU milliseconds", ("", "p50", "p99"), rows)

        rows = []
        for name in ("ours", "official"):
            options = ["--start-of", name, "--model", folder, "--number", arguments.number, "--seed", arguments.seed]
            options += [
                *(["--data", arguments.data] if arguments.data else []),
                *(["--quick"] if arguments.quick else []),
            ]
            start = hub_peers.in_new_process([__file__, *options])
            figures[name] |= start
            rows.append(
                [
                    name,
                    *(f"{start[key]:.2f}" for key in ("import_s", "load_s", "first_call_s")),
                    f"{start['peak_mb']:.0f}",
                ]
            )
        headings = ("", "import s", "load s", "first call s", "peak MB")
        print_table("a new process (import of the framework included; peak memory after all texts)", headings, rows)
    write_figures(arguments.json, figures)


def measure_start(arguments: argparse.Namespace) -> None:
    """Print the memory of this process and the times of import, loading, first call."""
    texts, _ = hub_peers.reviews(arguments.data, number=arguments.number, seed=arguments.seed)
    moments = [time.process_time()]
    if arguments.start_of == "ours":
        from paddle_wwm.hub import BertHubModule

        moments.append(time.process_time())
        module = BertHubModule(task="seq-cls", weights=str(arguments.model))
        module.set_state_dict(module.state_dict())
        moments.append(time.process_time())
        module.predict(texts[:1], max_seq_len=MAX_SEQ_LEN)
        moments.append(time.process_time())
        module.predict(texts, max_seq_len=MAX_SEQ_LEN)
    else:
        import paddlehub  # noqa: F401
        from paddlenlp.transformers import BertForSequenceClassification, BertTokenizer  # noqa: F401

        moments.append(time.process_time())
        model, tokenizer = hub_peers.paddlenlp_model("BertForSequenceClassification", arguments.model)
        moments.append(time.process_time())
        hub_peers.official_probabilities(model, tokenizer, texts[:1], max_seq_len=MAX_SEQ_LEN)
        moments.append(time.process_time())
        hub_peers.official_probabilities(model, tokenizer, texts, max_seq_len=MAX_SEQ_LEN)
    import_s, load_s, first_call_s = np.diff(moments)
    # not getrusage: its peak includes the memory of the process that started this one
    peak_mb = next(
        int(line.split()[1]) / 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    print(json.dumps({"import_s": import_s, "load_s": load_s, "first_call_s": first_call_s, "peak_mb": peak_mb}))
    sys.stdout.flush()


if __name__ == "__main__":
    run_script(main)
