#!/usr/bin/env python
"""Run one contender of training_step.py in its own process, so that contenders share no flags, memory or caches.

The process gets the batches, the sizes and its name, answers "ready", and makes one training step for every line "step"
that it reads. This file imports nothing of paddle_wwm before a contender needs it: the torch contender runs under
another interpreter, which only needs numpy, torch and transformers.

All contenders have the same sizes with dropout 0.1, the masked LM head at the predicted positions only, mean loss,
AdamW with weight decay 0.01, and no clipping.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any, Callable

import numpy as np

Batch = dict[str, np.ndarray]
Sizes = dict[str, Any]
Step = Callable[[dict[str, Any]], Any]
HYPERPARAMETERS = {"learning_rate": 1e-4, "weight_decay": 0.01}


def ours(sizes: Sizes, *, with_next_sentence: bool, in_bf16: bool = False) -> tuple[Step, Callable[[np.ndarray], Any]]:
    """Build the step of this project, with the settings of its trainer."""
    import common  # noqa: F401  makes paddle_wwm importable

    from paddle_wwm.config import AmpConfig, AmpLevel, OptimizerConfig
    from paddle_wwm.model.heads import BertForPretraining
    from paddle_wwm.model_config import ModelConfig
    from paddle_wwm.runs.devices import prepare_training
    from paddle_wwm.runs.optim import make_optimizer
    from paddle_wwm.runs.precision import Precision

    import paddle  # isort: skip
    import paddle.nn.functional as F  # isort: skip

    prepare_training(seed=0)
    model = BertForPretraining(ModelConfig(**sizes))
    model.train()
    optimizer = make_optimizer(model, OptimizerConfig(weight_decay=HYPERPARAMETERS["weight_decay"]))
    optimizer.set_lr(HYPERPARAMETERS["learning_rate"])
    precision = Precision(AmpConfig(level=AmpLevel.O1 if in_bf16 else AmpLevel.O0))
    precision.prepare(model)

    def step(batch):
        with precision.products():
            return step_in_precision(batch)

    def step_in_precision(batch):
        (loss, _), relations = model(
            batch["input_ids"],
            batch["token_type_ids"],
            batch["attention_mask"],
            batch["flat_positions"],
            with_next_sentence,
            batch["labels"],
        )
        loss = loss / batch["labels"].size
        if with_next_sentence:
            loss = loss + F.cross_entropy(relations, batch["next_sentence_labels"])
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        return loss

    return step, paddle.to_tensor


def paddlenlp(sizes: Sizes) -> tuple[Step, Callable[[np.ndarray], Any]]:
    """Build the step of PaddleNLP's BertForPretraining, with both losses."""
    import paddle
    import paddle.nn.functional as F
    from paddlenlp.transformers import BertConfig, BertForPretraining

    model = BertForPretraining(BertConfig(**sizes))
    model.train()
    optimizer = paddle.optimizer.AdamW(**HYPERPARAMETERS, parameters=model.parameters())

    def step(batch):
        scores, relations = model(
            batch["input_ids"],
            batch["token_type_ids"],
            attention_mask=batch["attention_mask"],
            masked_positions=batch["flat_positions"],
        )
        loss = F.cross_entropy(scores, batch["labels"]) + F.cross_entropy(relations, batch["next_sentence_labels"])
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        return loss

    return step, paddle.to_tensor


def torch_transformers(sizes: Sizes, *, in_bf16: bool = False) -> tuple[Step, Callable[[np.ndarray], Any]]:
    """Build the step of BertForMaskedLM in transformers.

    The model has no pooler and no next-sentence loss. Its head is called on the gathered hidden states.
    """
    import torch
    from transformers import BertConfig, BertForMaskedLM

    torch.set_num_threads(1)
    model = BertForMaskedLM(BertConfig(**sizes))
    model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=HYPERPARAMETERS["learning_rate"], weight_decay=HYPERPARAMETERS["weight_decay"]
    )

    def step(batch):
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bf16):
            loss = loss_of(batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    def loss_of(batch):
        hidden = model.bert(
            batch["input_ids"], attention_mask=batch["attention_mask"], token_type_ids=batch["token_type_ids"]
        )[0]
        scores = model.cls(hidden.reshape(-1, hidden.shape[-1])[batch["flat_positions"]])
        return torch.nn.functional.cross_entropy(scores.float(), batch["labels"])

    return step, torch.from_numpy


CONTENDERS: dict[str, Callable[[Sizes], tuple[Step, Callable[[np.ndarray], Any]]]] = {
    "ours, both losses": lambda sizes: ours(sizes, with_next_sentence=True),
    "ours, MLM only": lambda sizes: ours(sizes, with_next_sentence=False),
    "ours in bf16, both losses": lambda sizes: ours(sizes, with_next_sentence=True, in_bf16=True),
    "ours in bf16, MLM only": lambda sizes: ours(sizes, with_next_sentence=False, in_bf16=True),
    "PaddleNLP BertForPretraining": paddlenlp,
    "transformers BertForMaskedLM (torch)": torch_transformers,
    "transformers BertForMaskedLM (torch, bf16)": lambda sizes: torch_transformers(sizes, in_bf16=True),
}


def peak_memory() -> int:
    """Return the peak resident size of this process so far, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def gemm_peak(*, in_bf16: bool) -> float:
    """Return the FLOP/s of a large matrix product, measured in CPU time."""
    from paddle_wwm.compute.bf16 import bfloat16_products
    from paddle_wwm.model.flops import measure_peak

    with bfloat16_products() if in_bf16 else contextlib.nullcontext():
        return measure_peak(clock=time.process_time)


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries may print; only answers go to stdout

    def answer(value: Any) -> None:
        print(json.dumps(value), file=answers, flush=True)

    name, batches_path, sizes = sys.argv[1:]
    step, to_tensor = CONTENDERS[name](json.loads(sizes))
    stored = np.load(batches_path)
    numbers = sorted({int(key.partition("/")[0]) for key in stored})
    batches = [
        {key.partition("/")[2]: to_tensor(stored[key]) for key in stored if key.startswith(f"{number}/")}
        for number in numbers
    ]
    answer("ready")
    done = 0
    for line in sys.stdin:
        if line == "peak\n":
            answer(gemm_peak(in_bf16="bf16" in name))
            continue
        started = time.process_time()
        loss = float(step(batches[done % len(batches)]))
        answer({"seconds": time.process_time() - started, "loss": loss, "memory": peak_memory()})
        done += 1


if __name__ == "__main__":
    main()
