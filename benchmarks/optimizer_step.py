#!/usr/bin/env python
"""Compare clipping and update of our AdamW and LAMB optimizers with those of Paddle.

  python benchmarks/optimizer_step.py
  python benchmarks/optimizer_step.py --layers 12          BERT-base
  python benchmarks/optimizer_step.py --quick              check that it runs

All parameters of a BERT (default: 3 layers x 768, vocabulary 21,128) get the same random gradients before every step;
this is not timed. The time covers the norm of the whole gradient, the scaling and the update. One thread, CPU time, all
in turn; a ratio is the median of the ratios of all repetitions. Paddle's optimizers use ClipGradByGlobalNorm. --shards
has no effect here.

Claim: our LAMB takes at most 1.3 times as long as our AdamW. Paddle's LAMB takes 2.8 times as long as Paddle's AdamW.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from typing import Callable

import common
import numpy as np

from paddle_wwm.cli.process import run_script
from paddle_wwm.config import OptimizerConfig, OptimizerName
from paddle_wwm.cpu import use_fast_matmul
from paddle_wwm.model_config import ModelConfig

CLIP_NORM, RATE = 1.0, 1e-4
OUR_ADAMW = f"{OptimizerName.ADAMW.value} (ours)"


def main() -> int:
    parser = common.parser_of(__doc__)
    parser.add_argument("--layers", type=int, default=3, metavar="N", help="layers of the model (default: %(default)s)")
    parser.add_argument(
        "--repetitions", type=int, default=12, metavar="N", help="steps of each optimizer (default: %(default)s)"
    )
    arguments = parser.parse_args()
    use_fast_matmul()
    config = ModelConfig(num_hidden_layers=arguments.layers, vocab_size=21128)
    if arguments.quick:
        config, arguments.repetitions = (
            dataclasses.replace(config, num_hidden_layers=1, hidden_size=24, intermediate_size=48, vocab_size=500),
            2,
        )
    with common.open_data(arguments.shards) as data:
        figures = common.print_conditions(data)
    steps, num_parameters = contenders_of(config, seed=arguments.seed)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for repetition in range(-1, arguments.repetitions):  # the first repetition allocates the moments
        for name, (prepare, step) in steps.items():
            prepare()
            started = time.process_time()
            step()
            if repetition >= 0:
                seconds[name].append(time.process_time() - started)
    rows = []
    for name, times in seconds.items():
        ratios = [ratio(times, seconds[other]) for other in (OUR_ADAMW, "AdamW (Paddle)")]
        rows.append([name, f"{1000 * statistics.median(times):,.1f}", *(f"{value:.2f}x" for value in ratios)])
        figures[name] = {"seconds": statistics.median(times), "to_our_adamw": ratios[0], "to_paddles_adamw": ratios[1]}
    headings = ("", "ms", "to our AdamW", "to Paddle's AdamW")
    common.print_table(f"clipping and update of {num_parameters / 1e6:,.1f}M parameters", headings, rows)
    common.write_figures(arguments.json, figures)
    return 0


def ratio(times: list[float], others: list[float]) -> float:
    """Return the median, over repetitions, of the ratio of two optimizers' times."""
    return statistics.median(mine / theirs for mine, theirs in zip(times, others))


def contenders_of(
    config: ModelConfig, *, seed: int
) -> tuple[dict[str, tuple[Callable[[], None], Callable[[], None]]], int]:
    """Return, per optimizer, a function that sets the gradients and the step function.

    The second result is the number of parameters.
    """
    import paddle

    from paddle_wwm.model.heads import BertForPretraining
    from paddle_wwm.runs.optim import clip_gradients, has_weight_decay, make_optimizer

    paddle.set_flags({"FLAGS_use_stride_kernel": False})
    paddle.seed(seed)

    def contender(make):
        model = BertForPretraining(config)
        rng = np.random.default_rng(seed)
        gradients = [(parameter, rng.standard_normal(parameter.shape, np.float32)) for parameter in model.parameters()]

        def prepare():
            for parameter, gradient in gradients:
                parameter.grad = paddle.to_tensor(gradient)

        return prepare, make(model)

    def ours(name):
        def make(model):
            optimizer = make_optimizer(model, OptimizerConfig(name=name))
            optimizer.set_lr(RATE)
            parameters = model.parameters()

            def step():
                clip_gradients(parameters, max_norm=CLIP_NORM)
                optimizer.step()

            return step

        return make

    def paddles(optimizer_class, **options):
        def make(model):
            clip = paddle.nn.ClipGradByGlobalNorm(CLIP_NORM)
            names = {parameter.name for name, parameter in model.named_parameters() if has_weight_decay(name)}
            if optimizer_class is paddle.optimizer.AdamW:
                options["apply_decay_param_fun"] = lambda name: name in names
            else:
                options["exclude_from_weight_decay_fn"] = lambda parameter: parameter.name not in names
            return optimizer_class(RATE, parameters=model.parameters(), grad_clip=clip, **options).step

        return make

    made = {
        **{f"{name.value} (ours)": contender(ours(name)) for name in OptimizerName},
        "AdamW (Paddle)": contender(paddles(paddle.optimizer.AdamW, weight_decay=0.01)),
        "LAMB (Paddle)": contender(paddles(paddle.optimizer.Lamb, lamb_weight_decay=0.01)),
    }
    return made, sum(parameter.size for parameter in BertForPretraining(config).parameters())


if __name__ == "__main__":
    run_script(main)
