"""scripts/finetune.py as a user runs it: killed and resumed, stopped with Ctrl-C, with two workers."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest

from paddle_wwm.weights.pdparams import read_pdparams

from ..integration.scripts import command_of, run_script
from .builders import result_of, weights_of, write_chnsenticorp, write_model

pytestmark = pytest.mark.integration
NUMBERS = [
    "--epochs",
    10,
    "--batch-size",
    4,
    "--learning-rate",
    1e-2,
    "--max-seq-length",
    24,
    "--evaluate-every-steps",
    30,
]


@pytest.fixture(scope="module")
def arguments(tmp_path_factory, mini_vocab):
    folder = tmp_path_factory.mktemp("finetune")
    write_model(folder / "tiny", mini_vocab)
    data = write_chnsenticorp(folder / "data", dev=16, test=16)
    return ["--task", "chnsenticorp", "--data", data, "--model", folder / "tiny", *NUMBERS]


@pytest.fixture(scope="module")
def uninterrupted(arguments, tmp_path_factory):
    """A run that was not interrupted."""
    output = tmp_path_factory.mktemp("whole") / "run"
    done = run_script("finetune.py", *arguments, "--output", output)
    assert done.returncode == 0, done.stderr
    return output, done


def wait_for_step(process, output, step):
    path, deadline = output / "seed-1" / "log.jsonl", time.monotonic() + 120
    while not path.exists() or sum('"train"' in line for line in path.read_text(encoding="utf-8").splitlines()) < step:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def start(arguments, output, *more):
    command = command_of("finetune.py", *arguments, "--output", output, *more)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_run_prints_its_summary_and_writes_its_files(uninterrupted):
    output, done = uninterrupted
    assert "ChnSentiCorp, tiny: max (mean) of 1 seed(s)" in done.stdout
    assert (output / "summary.txt").read_text(encoding="utf-8").strip() in done.stdout
    for name in (
        "seed-1/result.json",
        "seed-1/predictions/dev.jsonl",
        "seed-1/predictions/test.jsonl",
        "seed-1/model/config.json",
        "run.json",
    ):
        assert (output / name).exists()


@pytest.mark.slow
def test_a_killed_and_resumed_run_gives_the_same_results(arguments, uninterrupted, tmp_path):
    output = tmp_path / "run"
    for step in (40, 100):  # in both cases, the last checkpoint is 10 steps back
        process = start(arguments, output)
        wait_for_step(process, output, step)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (output / "seed-1" / "result.json").exists()
    done = run_script("finetune.py", *arguments, "--output", output)
    assert done.returncode == 0, done.stderr
    assert result_of(output) == result_of(uninterrupted[0])
    assert weights_of(output) == weights_of(uninterrupted[0])
    assert predictions_of(output) == predictions_of(uninterrupted[0])
    assert losses_of(output) == losses_of(uninterrupted[0])


def test_ctrl_c_saves_and_the_same_command_continues(arguments, uninterrupted, tmp_path):
    output = tmp_path / "run"
    process = start(arguments, output)
    wait_for_step(process, output, 35)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130
    assert "rerun the same command" in stderr and "Traceback" not in stderr
    [checkpoint] = (output / "seed-1" / "checkpoint").iterdir()
    state = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))["state"]
    assert state["step"] >= 35
    done = run_script("finetune.py", *arguments, "--output", output)
    assert (done.returncode, result_of(output)) == (0, result_of(uninterrupted[0]))
    assert weights_of(output) == weights_of(uninterrupted[0])


@pytest.mark.slow
def test_a_damaged_checkpoint_is_skipped_with_a_warning(arguments, uninterrupted, tmp_path):
    output = tmp_path / "run"
    process = start(arguments, output)
    wait_for_step(process, output, 35)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143
    [path] = output.glob("seed-1/checkpoint/*/weights.safetensors")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = run_script("finetune.py", *arguments, "--output", output)
    assert done.returncode == 0
    assert "warning: checkpoint skipped" in done.stderr
    assert weights_of(output) == weights_of(uninterrupted[0])


@pytest.mark.slow
def test_two_workers_give_the_results_of_one(arguments, tmp_path):
    # only a few steps, because rounding differences grow with each step
    short = [
        *arguments,
        "--epochs",
        1,
        "--batch-size",
        16,
        "--learning-rate",
        1e-3,
        "--micro-batch-tokens",
        60,
        "--evaluate-every-steps",
        2,
    ]
    for number in (1, 2):
        done = run_script("finetune.py", *short, "--output", tmp_path / f"{number}", "--nproc", number)
        assert done.returncode == 0, done.stderr
    one, two = (
        read_pdparams(tmp_path / f"{number}" / "seed-1" / "model" / "model_state.pdparams") for number in (1, 2)
    )
    for name in one:
        if not name.endswith("k_proj.bias"):  # its exact gradient is 0, so Adam amplifies rounding noise
            np.testing.assert_allclose(two[name], one[name], atol=1e-5, err_msg=name)
    results = [result_of(tmp_path / f"{number}") for number in (1, 2)]
    assert [result.pop("num_workers") for result in results] == [1, 2]
    assert results[0] == results[1]


def test_a_user_error_is_printed_as_one_line(arguments, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.tsv").write_text("label\ttext_a\n1\t天气\n7\t很好\n", encoding="utf-8")
    wrong = ["--task", "chnsenticorp", "--data", tmp_path / "data", *arguments[4:], "--output", tmp_path / "run"]
    done = run_script("finetune.py", *wrong)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert all(part in done.stderr for part in ("train.tsv", "line 3", "'7'", "'0', '1'"))


def predictions_of(output):
    return [(output / "seed-1" / "predictions" / f"{split}.jsonl").read_bytes() for split in ("dev", "test")]


def losses_of(output):
    return (output / "seed-1" / "log.jsonl").read_text(encoding="utf-8")
