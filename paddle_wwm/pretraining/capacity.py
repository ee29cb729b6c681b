"""What this machine can do: characters/s of segmentation, tokens/s of training, and the time of every recipe."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from dataclasses import dataclass
from typing import Callable

import numpy as np
import paddle

from ..amounts import duration_text
from ..compute.bf16 import bfloat16_products
from ..compute.onednn import missing_bfloat16
from ..corpus.documents import SAMPLE_CORPUS, read_documents
from ..corpus.segment import SegmenterConfig, make_segmenter
from ..model.flops import training_flops
from ..model.heads import BertForPretraining
from ..model_config import SERIES_VOCAB_SIZE, ModelConfig
from ..recipe_file import PACKAGED, load_config
from .corpora import BYTES_PER_TOKEN
from .costs import bytes_of_a_worker, flops_of_phase
from .loader import Tensors
from .preview import forward_and_backward
from .steps import with_steps

PROGRAM_BYTES = 1e9  # of a worker, without the model: Paddle itself
FEASIBLE_S = 7 * 86400.0
ROWS, LENGTH = 8, 128
# the widths of the small recipes and of BERT-base; three layers are enough to measure a width
MEASURED = (
    ModelConfig(
        vocab_size=SERIES_VOCAB_SIZE,
        hidden_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=1024,
    ),
    ModelConfig(vocab_size=SERIES_VOCAB_SIZE, num_hidden_layers=3),
)


@dataclass(frozen=True, kw_only=True)
class Speed:
    """The speed of a training step.

    Attributes:
        tokens_per_s: of examples of LENGTH tokens.
        flops_per_s: floating point operations per second, as `training_flops` counts them.
        precision: the numbers of the products: "float32" or "bfloat16".
    """

    num_layers: int
    hidden_size: int
    tokens_per_s: float
    flops_per_s: float
    precision: str = "float32"


@dataclass(frozen=True, kw_only=True)
class RecipeCost:
    """What a recipe costs on this machine.

    Attributes:
        name: the name of the recipe.
        seconds: the estimated time. For a recipe in epochs: the time of one epoch over 1 MB of text.
        per_megabyte: True for a recipe in epochs.
        num_bytes: the estimated memory of one worker.
        fits: True if the machine has that much memory.
    """

    name: str
    seconds: float
    per_megabyte: bool
    num_bytes: float
    fits: bool

    @property
    def feasible(self) -> bool:
        """True if the recipe fits and ends within a week.

        For a recipe in epochs: an epoch over 10 MB of text.
        """
        return self.fits and self.seconds * (10 if self.per_megabyte else 1) <= FEASIBLE_S


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """The measurements of `measure`.

    Attributes:
        device: "cpu" or the name of the GPU.
        num_cores: the cores that this process may use.
        memory: bytes of memory of the machine, and how many of them are available.
        characters_per_s: segmentation by LAC in one process.
        speeds: the measured steps.
        recipes: the packaged recipes, the fastest first.
    """

    device: str
    num_cores: int
    memory: tuple[int, int]
    characters_per_s: float
    speeds: tuple[Speed, ...]
    recipes: tuple[RecipeCost, ...]


def measure(*, seconds_per_part: float = 5.0) -> Capacity:
    """Measure this machine.

    Segmentation, and each width of a model in each precision of this CPU, take `seconds_per_part`. The costs of recipes
    are in float32, because no packaged recipe chooses another precision.
    """
    characters_per_s = _segmentation_speed(seconds_per_part)
    device = "cpu" if paddle.empty([1]).place.is_cpu_place() else paddle.device.cuda.get_device_name()
    speeds = tuple(_training_speed(config, seconds=seconds_per_part) for config in MEASURED)
    in_bf16: tuple[Speed, ...] = ()
    if device == "cpu" and not missing_bfloat16():
        with bfloat16_products():
            found = [_training_speed(config, seconds=seconds_per_part) for config in MEASURED]
        in_bf16 = tuple(dataclasses.replace(speed, precision="bfloat16") for speed in found)
    memory = _memory()
    costs = [_cost_of(path.stem, speeds=speeds, memory=memory[0]) for path in PACKAGED.glob("*.yaml")]
    return Capacity(
        device=device,
        num_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=memory,
        characters_per_s=characters_per_s,
        speeds=speeds + in_bf16,
        recipes=tuple(sorted(costs, key=lambda cost: (cost.per_megabyte, cost.seconds))),
    )


def _repeated(work: Callable[[], float], *, seconds: float) -> float:
    """Return units per second. `work` returns the number of units it has done.

    The first call is a warm-up.
    """
    work()
    started, done = time.perf_counter(), 0.0
    while (elapsed := time.perf_counter() - started) < seconds or not done:
        done += work()
    return done / elapsed


def _segmentation_speed(seconds: float) -> float:
    segmenter = make_segmenter(SegmenterConfig())
    texts = [sentence for document in read_documents([SAMPLE_CORPUS]) for sentence in document.sentences][:400]

    def work() -> float:
        segmenter.word_starts(texts)
        return sum(map(len, texts))

    return _repeated(work, seconds=seconds)


def _training_speed(config: ModelConfig, *, seconds: float) -> Speed:
    model = BertForPretraining(config)
    model.train()
    batch = _random_batch(config)

    def work() -> float:
        forward_and_backward(model, batch)
        return ROWS * LENGTH

    tokens_per_s = _repeated(work, seconds=seconds)
    flops = training_flops(
        config, num_rows=ROWS, length=LENGTH, num_predictions=batch["num_predictions"], with_next_sentence=False
    )
    return Speed(
        num_layers=config.num_hidden_layers,
        hidden_size=config.hidden_size,
        tokens_per_s=tokens_per_s,
        flops_per_s=flops * tokens_per_s / (ROWS * LENGTH),
    )


def _random_batch(config: ModelConfig) -> Tensors:
    random = np.random.default_rng(0)
    num_predictions = round(0.15 * LENGTH) * ROWS
    return {
        "input_ids": paddle.to_tensor(random.integers(0, config.vocab_size, (ROWS, LENGTH))),
        "token_type_ids": paddle.zeros([ROWS, LENGTH], "int64"),
        "attention_mask": paddle.ones([ROWS, LENGTH], "bool"),
        "flat_positions": paddle.to_tensor(np.sort(random.choice(ROWS * LENGTH, num_predictions, replace=False))),
        "labels": paddle.to_tensor(random.integers(0, config.vocab_size, num_predictions)),
        "num_tokens": ROWS * LENGTH,
        "num_predictions": num_predictions,
    }


def _memory() -> tuple[int, int]:
    """Return the bytes of memory of the machine, and how many of them are available."""
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:
            values = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in stream}
        return values["MemTotal"], values["MemAvailable"]
    except (OSError, KeyError):
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return pages, pages


def _cost_of(name: str, *, speeds: tuple[Speed, ...], memory: int) -> RecipeCost:
    config = load_config(name)
    per_megabyte = any(phase.num_epochs for phase in config.phases)
    model = dataclasses.replace(config.model, vocab_size=config.model.vocab_size or SERIES_VOCAB_SIZE)
    config = dataclasses.replace(config, model=model, data=dataclasses.replace(config.data, general_share=0.0))
    if per_megabyte:
        phases = tuple(dataclasses.replace(phase, num_steps=0, num_epochs=1.0) for phase in config.phases)
        counts = [1e6 / BYTES_PER_TOKEN / phase.max_seq_length for phase in phases]
        config = with_steps(dataclasses.replace(config, phases=phases), num_examples=counts)
    flops = sum(flops_of_phase(config, phase) for phase in config.phases)
    nearest = min(speeds, key=lambda speed: abs(math.log(speed.hidden_size / model.hidden_size)))
    num_bytes = sum(bytes_of_a_worker(config, num_workers=1)) + PROGRAM_BYTES
    return RecipeCost(
        name=name,
        seconds=flops / nearest.flops_per_s,
        per_megabyte=per_megabyte,
        num_bytes=num_bytes,
        fits=num_bytes <= memory,
    )


def describe_capacity(capacity: Capacity) -> list[str]:
    """Return the measurements as lines."""
    total, available = capacity.memory
    lines = [
        f"This machine: {capacity.num_cores} core(s), device {capacity.device}, {total / 1e9:.1f} GB of memory, "
        f"{available / 1e9:.1f} GB available",
        f"  segmentation  {capacity.characters_per_s:,.0f} characters/s in one process (LAC)",
        *(
            f"  training      {speed.tokens_per_s:,.0f} tokens/s, {speed.num_layers} layers x {speed.hidden_size}, "
            f"{LENGTH} tokens per example ({speed.flops_per_s / 1e9:,.0f} GFLOP/s)"
            + (" with amp.level=O1" if speed.precision == "bfloat16" else "")
            for speed in capacity.speeds
        ),
        "Recipes here (estimates from these speeds; the time for preparing text is not included):",
    ]
    for cost in capacity.recipes:
        if not cost.fits:
            verdict = "needs more memory"
        elif cost.feasible:
            verdict = "feasible"
        else:
            verdict = "too slow here"
        what = duration_text(cost.seconds) + (" per epoch and MB of text" if cost.per_megabyte else "")
        lines.append(f"  {cost.name:24}{what:36}{cost.num_bytes / 1e9:6.1f} GB per worker  {verdict}")
    return lines
