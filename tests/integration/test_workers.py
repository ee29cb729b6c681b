"""Training with two real workers: memory options, a NaN in one worker, two hosts, and lost workers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paddle_wwm.pretraining.checkpoint import checkpoints_in

from .conftest import WITHOUT_DROPOUT
from .scripts import ROOT, command_of, run_command, run_script, wait_for_step
from .test_pretrain import assert_same_training, weights_of
from .test_pretrain import one_process as one_process

pytestmark = pytest.mark.integration

POISONED = """\
import dataclasses, os, sys
import paddle_wwm.pretraining.step as step
from paddle_wwm.cli.main import main
plain, calls = step.pretraining_losses, 0
def pretraining_losses(model, batch):
    global calls
    losses = plain(model, batch)
    calls += model.training
    if os.environ.get("PADDLE_TRAINER_ID") == "1" and calls == 12:  # 2 calls in the trial, 2 micro-batches per step: the last one of step 4
        losses = dataclasses.replace(losses, mlm_loss=losses.mlm_loss * float("nan"))
    return losses
step.pretraining_losses = pretraining_losses
import paddle_wwm.pretraining.job as job  # imported late, so that it uses the patched function
job.worker_command = lambda _: [sys.executable, *sys.argv]  # workers run this patched script, too
main(["pretrain", *sys.argv[1:]])
"""  # noqa: E501


@pytest.mark.slow
def test_a_nan_in_one_worker_stops_both_before_the_update_and_names_the_examples(arguments, tmp_path):
    """One loss of the second worker is NaN, as after a memory error."""
    script = tmp_path / "poisoned.py"
    script.write_text(POISONED, encoding="utf-8")
    run = tmp_path / "run"
    command = [sys.executable, script, *arguments, "--output", run, "--nproc", 2, "runtime.save_every_steps=4"]
    result = run_command([str(part) for part in command], PYTHONPATH=str(ROOT))
    assert result.returncode == 2, result.stdout + result.stderr
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "step 4: the loss is not finite (worker 1, micro-batch 1); no parameter was updated" in line
    assert "The last checkpoint is of step 4" in line and "Traceback" not in result.stderr

    record = json.loads((run / "not_finite-step-00000004.json").read_text())
    assert (record["step"], record["phase"], record["gradient_norm"]) == (4, 0, "nan")
    losses = {(item["worker"], item["micro_batch"]): item["loss"] for item in record["micro_batches"]}
    assert set(losses) == {(0, 0), (0, 1), (1, 0), (1, 1)} and [
        place for place, loss in losses.items() if loss == "nan"
    ] == [(1, 1)]
    examples = [
        (item["example"], item["epoch"]) for micro_batch in record["micro_batches"] for item in micro_batch["examples"]
    ]
    assert len(examples) == 8 and len(set(examples)) == 8
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["step-00000004"]
    resumed = run_script("pretrain.py", *arguments, "--output", run, "--nproc", 2, "--resume", "auto")
    assert resumed.returncode == 0 and "about to continue after step 4" in resumed.stdout, resumed.stderr


@pytest.mark.slow
def test_optimizer_sharding_and_recomputing_do_not_change_the_training(arguments, tmp_path):
    """Dropout is on. A checkpoint of two workers that share the optimizer has its whole state."""
    changed = ["runtime.shard_optimizer=true", "runtime.recompute=true"]
    for name, options in (("plain", []), ("changed", changed)):
        result = run_script(
            "pretrain.py", *arguments, "--output", tmp_path / name, "--nproc", 2, *options, "optimizer.name=lamb-hfl"
        )
        assert result.returncode == 0, result.stderr
    assert_same_training(tmp_path / "changed", tmp_path / "plain")
    from safetensors.numpy import load_file

    states = [
        load_file(tmp_path / name / "checkpoints" / "step-00000018" / "optimizer.safetensors")
        for name in ("plain", "changed")
    ]
    assert states[0].keys() == states[1].keys()
    for name, array in states[0].items():
        assert abs(array - states[1][name]).max() <= 1e-5, name
    assert weights_of(tmp_path / "changed").keys() == weights_of(tmp_path / "plain").keys()


def free_port():
    with socket.socket() as item:
        item.bind(("127.0.0.1", 0))
        return item.getsockname()[1]


@pytest.mark.slow
def test_two_hosts_with_one_launcher_each_train_like_one_process(one_process, corpus, recipe, tmp_path):
    """Two launchers of Paddle with one worker each stand for two machines with a shared folder."""
    shards, run = tmp_path / "shards", tmp_path / "run"
    prepared = run_script(
        "prepare_corpus.py", corpus, "--vocab", one_process[0] / "model" / "vocab.txt", "--output", shards
    )
    assert prepared.returncode == 0, prepared.stderr
    script = command_of("pretrain.py", "--corpus", shards, "--config", recipe, "--output", run, *WITHOUT_DROPOUT)[1:]
    master = f"127.0.0.1:{free_port()}"
    hosts = []
    for rank in range(2):
        launcher = ["-m", "paddle.distributed.launch", "--master", master, "--nnodes", "2", "--nproc_per_node", "1"]
        launcher += ["--log_level", "ERROR", "--log_dir", str(tmp_path / f"log{rank}")]
        environment = {**os.environ, "POD_IP": "127.0.0.1"}
        options = {
            "cwd": tmp_path,
            "env": environment,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
        }
        hosts.append(subprocess.Popen([sys.executable, *launcher, *script], **options))
    outputs = [host.communicate(timeout=300)[0] for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], "\n".join(outputs)
    assert_same_training(run, one_process[0])


def test_sigterm_to_paddles_launcher_saves_a_checkpoint_and_leaves_no_worker(arguments, tmp_path):
    """Kubernetes and SLURM stop a job with SIGTERM."""
    run = tmp_path / "run"
    launcher = [
        "-m",
        "paddle.distributed.launch",
        "--nproc_per_node",
        "2",
        "--log_level",
        "ERROR",
        "--log_dir",
        str(tmp_path / "log"),
    ]
    options = ["phases.0.num_steps=2000", "runtime.save_every_steps=100000"]
    script = command_of("pretrain.py", *arguments, "--output", run, *options)[1:]
    process = subprocess.Popen(
        [sys.executable, *launcher, *script],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for_step(process, run, 5)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=120)
    assert checkpoints_in(run / "checkpoints").newest().state.global_step >= 5
    assert processes_end(process.pid)


@pytest.mark.slow
def test_a_killed_worker_leaves_no_process_and_one_process_can_resume(one_process, arguments, tmp_path):
    """A worker is killed, not the launcher, as the system does when memory runs out."""
    run = tmp_path / "run"
    command = command_of("pretrain.py", *arguments, "--output", run, "--nproc", 2, *WITHOUT_DROPOUT)
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for_step(process, run, 5)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(workers) == 2
    os.kill(int(workers[1]), signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2 and "To continue, rerun the same command" in errors
    assert processes_end(process.pid)
    resumed = run_script("pretrain.py", *arguments, "--output", run, "--nproc", 1, *WITHOUT_DROPOUT, "--resume", "auto")
    assert resumed.returncode == 0, resumed.stderr
    assert_same_training(run, one_process[0])


def processes_end(group):
    """Return True if all processes of a group end within a minute; kill them otherwise."""
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    os.killpg(group, signal.SIGKILL)
    return False


@pytest.mark.slow
def test_checkpoints_are_also_written_by_the_clock_of_the_main_worker(arguments, tmp_path):
    options = ["runtime.save_every_steps=1000", "runtime.save_every_minutes=0.000000001", "runtime.keep_checkpoints=30"]
    result = run_script("pretrain.py", *arguments, "--output", tmp_path / "run", "--nproc", 2, *options)
    assert result.returncode == 0, result.stderr
    steps = sorted(int(path.name.removeprefix("step-")) for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert steps == list(range(1, 19))


def test_a_shallow_model_starts_from_the_first_layers_of_a_deep_one(one_process, arguments, tmp_path):
    parent = one_process[0] / "model"
    start = [*arguments, "--init", parent, "--nproc", 1]
    short = [
        "phases.0.num_steps=1",
        "phases.0.num_warmup_steps=0",
        "phases.0.learning_rate=1e-12",
        "phases.1.num_steps=1",
    ]
    short += ["phases.1.num_warmup_steps=0", "phases.1.learning_rate=1e-12", "optimizer.weight_decay=0"]
    result = run_script("pretrain.py", *start, "--init-layers", 1, "--output", tmp_path / "run", *short)
    assert result.returncode == 0, result.stderr
    assert f"starting from the first 1 layers of {parent}" in result.stdout
    parents, childs = weights_of(one_process[0]), weights_of(tmp_path / "run")
    assert childs.keys() == {name for name in parents if ".layers.1." not in name}
    for name, array in childs.items():
        assert abs(array - parents[name]).max() < 1e-6, name
    wrong = run_script("pretrain.py", *start, "--init-layers", 3, "--output", tmp_path / "wrong")
    assert wrong.returncode == 2 and "`--init-layers` must be at most the 2 layers of" in wrong.stderr
