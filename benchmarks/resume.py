#!/usr/bin/env python
"""Check that a run that was stopped, killed or moved to other workers equals an uninterrupted run.

  python benchmarks/resume.py                     200 steps, six runs, some minutes
  python benchmarks/resume.py --steps 2000 --seed 3
  python benchmarks/resume.py --corpus text.txt   another text
  python benchmarks/resume.py --quick             check that it runs

A tiny BERT (2 layers x 32, pairs, two lengths, LAMB) is trained with scripts/pretrain.py:
  one        one process to the end
  stopped    one process, SIGTERM at step 77 of 200, resumed by one process
  two        two fleet processes
  two-stop   two processes, SIGTERM to the launcher at step 77, resumed by two
  killed     two processes, one worker killed (SIGKILL) at a random step, resumed by one process
  torn       like `killed`, and the newest checkpoint loses its last byte, so the run resumes from the one before

Claims: `stopped` and `one` are bit-identical (losses and weights), also with dropout. With dropout 0, the loss of all
others differs from `one` by at most 1e-5 at every step. --shards is not used.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
import numpy as np

from paddle_wwm.cli.process import run_script

TOLERANCE = 1e-5
WITHOUT_DROPOUT = ["model.hidden_dropout_prob=0", "model.attention_probs_dropout_prob=0"]


SAVE_EVERY_STEPS = 20


def recipe_of(num_steps: int) -> str:
    first = num_steps * 3 // 4
    return f"""\
model: {{hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64, max_position_embeddings: 64}}
data: {{pairing: next-sentence, held_out_share: 0.1}}
optimizer: {{name: lamb-hfl}}
phases:
  - {{max_seq_length: 32, global_batch_size: 8, num_steps: {first}, learning_rate: 1e-3, num_warmup_steps: {first // 10}}}
  - {{max_seq_length: 64, global_batch_size: 4, num_steps: {num_steps - first}, learning_rate: 5e-4, num_warmup_steps: {first // 30}}}
runtime: {{micro_batch_size: 2, log_every_steps: 1, evaluate_every_steps: 50, save_every_steps: {SAVE_EVERY_STEPS}, max_evaluation_examples: 16}}
"""


class Runs:
    """The runs of one comparison: same recipe and data, in subfolders of `folder`."""

    def __init__(self, folder: Path, *, corpus: Path, num_steps: int, seed: int) -> None:
        self.folder, self.num_steps = folder, num_steps
        recipe = folder / "recipe.yaml"
        recipe.write_text(recipe_of(num_steps), encoding="utf-8")
        self._common = [
            "--corpus",
            str(corpus),
            "--config",
            str(recipe),
            "--prepared",
            str(folder / "prepared"),
            f"seed={seed}",
        ]

    def command(self, name: str, *, workers: int, options: list[str]) -> list[str]:
        script = str(common.ROOT / "scripts" / "pretrain.py")
        return [
            sys.executable,
            script,
            *self._common,
            "--output",
            str(self.folder / name),
            "--nproc",
            str(workers),
            *options,
        ]

    def whole(self, name: str, *, workers: int, options: list[str], resume: bool = False) -> None:
        command = self.command(name, workers=workers, options=options) + (["--resume", "auto"] if resume else [])
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr

    def interrupted(self, name: str, *, workers: int, options: list[str], step: int, kill_worker: bool = False) -> int:
        """Run until `step` is logged, then stop or kill; return the exit status."""
        process = subprocess.Popen(
            self.command(name, workers=workers, options=options),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        while len(self.losses(name)) < step:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.005)
        if kill_worker:
            os.kill(random.choice(children_of(process.pid)), signal.SIGKILL)
        else:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=300)
        return process.returncode

    def losses(self, name: str) -> list[float]:
        path = self.folder / name / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        return [
            record["loss"]
            for record in map(json.loads, (line for line in lines if line.endswith("\n")))
            if record["kind"] == "train"
        ]

    def weights(self, name: str) -> bytes:
        return (self.folder / name / "model" / "model_state.pdparams").read_bytes()


def children_of(pid: int) -> list[int]:
    """Return the child processes of a process."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def compare(runs: Runs, *, options: list[str], stop_at: int, rng: random.Random) -> dict[str, float]:
    """Return, per run, the largest difference of a loss to that of one process."""
    runs.whole("one", workers=1, options=options)
    assert runs.interrupted("stopped", workers=1, options=options, step=stop_at) == 143
    runs.whole("stopped", workers=1, options=options, resume=True)
    runs.whole("two", workers=2, options=options)
    assert runs.interrupted("two-stop", workers=2, options=options, step=stop_at) == 143
    runs.whole("two-stop", workers=2, options=options, resume=True)
    for name in ("killed", "torn"):
        step = rng.randrange(
            max(SAVE_EVERY_STEPS + 2, runs.num_steps // 4), runs.num_steps * 3 // 4
        )  # after the first checkpoint
        print(f"{name}: SIGKILL to one of two workers after step {step}", flush=True)
        assert runs.interrupted(name, workers=2, options=options, step=step, kill_worker=True) != 0
        if name == "torn":
            newest = max((runs.folder / name / "checkpoints").glob("step-*"))
            weights = newest / "model_state.pdparams"
            weights.write_bytes(weights.read_bytes()[:-1])
        runs.whole(name, workers=1, options=options, resume=True)
    expected = runs.losses("one")
    differences = {}
    for name in ("stopped", "two", "two-stop", "killed", "torn"):
        losses = runs.losses(name)
        assert len(losses) == len(expected) == runs.num_steps, (name, len(losses))
        differences[name] = float(np.abs(np.array(losses) - np.array(expected)).max())
    return differences


def main() -> int:
    parser = common.parser_of(__doc__)
    parser.add_argument("--steps", type=int, default=200, metavar="N", help="training steps (default: %(default)s)")
    parser.add_argument(
        "--corpus",
        type=Path,
        default=common.SAMPLE_CORPUS,
        metavar="FILE",
        help="text to train on (default: the sample corpus)",
    )
    arguments = parser.parse_args()
    num_steps = 40 if arguments.quick else arguments.steps
    rng, rows, figures, failed = random.Random(arguments.seed), [], {}, []
    for title, options in (("dropout 0", WITHOUT_DROPOUT), ("dropout 0.1", [])):
        with tempfile.TemporaryDirectory(prefix="paddle_wwm_resume_") as folder:
            runs = Runs(Path(folder), corpus=arguments.corpus, num_steps=num_steps, seed=arguments.seed)
            differences = compare(runs, options=options, stop_at=num_steps * 77 // 200, rng=rng)
            same_weights = runs.weights("stopped") == runs.weights("one")
        for name, difference in differences.items():
            must_be = 0.0 if name == "stopped" else TOLERANCE
            verdict = "ok" if difference <= must_be and (name != "stopped" or same_weights) else "DIFFERS"
            failed += [f"{title}, {name}"] if verdict != "ok" else []
            note = ", weights bit-identical" if name == "stopped" and same_weights else ""
            rows.append([f"{title}: {name}", f"{difference:.1e}", verdict + note])
        figures[title] = {**differences, "stopped_weights_identical": same_weights}
    common.print_table(f"largest loss difference to one process, {num_steps} steps", ("", "difference", ""), rows)
    common.write_figures(arguments.json, figures)
    return 1 if failed else 0


if __name__ == "__main__":
    run_script(main)
