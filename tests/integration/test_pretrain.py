"""Pretraining as a user runs it: real processes, real fleet workers, stopped and resumed runs."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from paddle_wwm.weights.pdparams import read_pdparams

from .conftest import WITHOUT_DROPOUT
from .scripts import ROOT, command_of, run_command, run_script, train_records, wait_for_step

pytestmark = pytest.mark.integration


def weights_of(run):
    return read_pdparams(run / "model" / "model_state.pdparams")


@pytest.fixture(scope="module")
def one_process(corpus, recipe, prepared, tmp_path_factory):
    """Train with one process and without dropout, as the reference for other runs."""
    run = tmp_path_factory.mktemp("one") / "run"
    result = run_script(
        "pretrain.py",
        "--corpus",
        corpus,
        "--config",
        recipe,
        "--prepared",
        prepared,
        "--output",
        run,
        "--nproc",
        1,
        *WITHOUT_DROPOUT,
    )
    assert result.returncode == 0, result.stderr
    return run, result.stdout


def assert_same_training(run, reference):
    ours, theirs = train_records(run), train_records(reference)
    assert [record["step"] for record in ours] == [record["step"] for record in theirs] == list(range(1, 19))
    for key in ("loss", "mlm_loss", "nsp_loss"):
        np.testing.assert_allclose(
            [record[key] for record in ours], [record[key] for record in theirs], atol=1e-5, err_msg=key
        )


def test_a_run_prints_its_progress_and_writes_all_its_files(one_process):
    run, output = one_process
    for text in (
        "one example",
        "  words   [CLS]|",
        "  masked  [CLS]",
        "[MASK]←",
        "parameters",
        "phase 1",
        "estimated time",
        "unigram baseline",
    ):
        assert text in output
    for text in (
        "masked accuracy",
        "whole words correct",
        "next sentence",
        "perplexity",
        "waiting for data",
        "MFU",
        "  best        ",
    ):
        assert text in "\n".join(output.splitlines()[-12:])
    for name in (
        "model/config.json",
        "checkpoints/step-00000018/training_state.json",
        "loss.png",
        "metrics.jsonl",
        "recipe.yaml",
        "visualdl",
    ):
        assert (run / name).exists(), name
    assert (run / "loss.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_two_fleet_workers_train_like_one_process(one_process, arguments, tmp_path):
    result = run_script("pretrain.py", *arguments, "--output", tmp_path / "run", "--nproc", 2, *WITHOUT_DROPOUT)
    assert result.returncode == 0, result.stderr
    assert_same_training(tmp_path / "run", one_process[0])
    assert "reusing" in result.stdout


@pytest.mark.slow
def test_two_fleet_workers_draw_the_same_dropout_as_one_process(arguments, tmp_path):
    for count in (1, 2):
        result = run_script("pretrain.py", *arguments, "--output", tmp_path / str(count), "--nproc", count)
        assert result.returncode == 0, result.stderr
    assert_same_training(tmp_path / "2", tmp_path / "1")


@pytest.mark.slow
def test_the_launcher_of_paddle_gives_the_same_training(one_process, arguments, tmp_path):
    launcher = [
        sys.executable,
        "-m",
        "paddle.distributed.launch",
        "--nproc_per_node",
        "2",
        "--log_level",
        "ERROR",
        "--log_dir",
        tmp_path / "log",
    ]
    script = command_of("pretrain.py", *arguments, "--output", tmp_path / "run", *WITHOUT_DROPOUT)[1:]
    result = run_command([str(part) for part in launcher] + script, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert_same_training(tmp_path / "run", one_process[0])


def test_micro_batches_do_not_change_the_training(one_process, arguments, tmp_path):
    result = run_script(
        "pretrain.py",
        *arguments,
        "--output",
        tmp_path / "run",
        "--nproc",
        1,
        *WITHOUT_DROPOUT,
        "runtime.micro_batch_size=4",
    )
    assert result.returncode == 0, result.stderr
    assert_same_training(tmp_path / "run", one_process[0])


@pytest.mark.slow
def test_resume_after_sigterm_gives_the_same_bits_as_an_uninterrupted_run(arguments, tmp_path):
    whole = run_script("pretrain.py", *arguments, "--output", tmp_path / "whole", "--nproc", 1, "phases.0.num_steps=80")
    assert whole.returncode == 0, whole.stderr
    stopped = command_of(
        "pretrain.py", *arguments, "--output", tmp_path / "stopped", "--nproc", 1, "phases.0.num_steps=80"
    )
    process = subprocess.Popen(stopped, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    wait_for_step(process, tmp_path / "stopped", 7)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 143
    assert "--resume auto" in errors
    assert not (tmp_path / "stopped" / "model").exists()

    resumed = run_command([*stopped, "--resume", "auto"])
    assert resumed.returncode == 0, resumed.stderr
    assert "about to continue after step" in resumed.stdout
    expected = weights_of(tmp_path / "whole")
    for name, array in weights_of(tmp_path / "stopped").items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    losses = [[record["loss"] for record in train_records(tmp_path / name)] for name in ("whole", "stopped")]
    assert losses[0] == losses[1]


@pytest.mark.slow
def test_ctrl_c_stops_two_workers_cleanly_and_the_resumed_run_equals_one_process(one_process, arguments, tmp_path):
    # a new process group, as in a terminal: Ctrl-C reaches the launcher and the workers at once
    command = command_of("pretrain.py", *arguments, "--output", tmp_path / "run", "--nproc", 2, *WITHOUT_DROPOUT)
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for_step(process, tmp_path / "run", 2)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    resumed = run_command([*command, "--resume", "auto"])
    assert resumed.returncode == 0, resumed.stderr
    assert_same_training(tmp_path / "run", one_process[0])


@pytest.mark.slow
def test_killing_the_launcher_leaves_no_worker_and_the_run_can_resume(one_process, arguments, tmp_path):
    run = tmp_path / "run"
    command = command_of("pretrain.py", *arguments, "--output", run, "--nproc", 2, *WITHOUT_DROPOUT)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    wait_for_step(process, run, 5)
    process.kill()
    process.wait()
    for _ in range(600):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail("some workers are still running")
    resumed = run_command([*command, "--resume", "auto"])
    assert resumed.returncode == 0, resumed.stderr
    assert_same_training(run, one_process[0])


def test_a_complete_run_is_not_trained_again(one_process, arguments):
    run, _ = one_process
    before = (run / "metrics.jsonl").read_bytes()
    result = run_script("pretrain.py", *arguments, "--output", run, "--nproc", 1, "--resume", "auto", *WITHOUT_DROPOUT)
    assert result.returncode == 0 and "already complete" in result.stdout
    assert (run / "metrics.jsonl").read_bytes() == before


def test_prepared_shards_are_used_unchanged(one_process, corpus, recipe, tmp_path):
    vocab = one_process[0] / "model" / "vocab.txt"
    prepared = run_script("prepare_corpus.py", corpus, "--vocab", vocab, "--output", tmp_path / "shards")
    assert prepared.returncode == 0, prepared.stderr
    shards = ["--corpus", tmp_path / "shards", "--config", recipe, "--nproc", 1, *WITHOUT_DROPOUT]
    result = run_script("pretrain.py", *shards, "--output", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert_same_training(tmp_path / "run", one_process[0])


@pytest.mark.slow
def test_two_prepared_corpora_are_mixed_and_two_workers_train_like_one(one_process, sample_corpus, recipe, tmp_path):
    documents = sample_corpus.read_text(encoding="utf-8").split("\n\n")
    for number in range(2):
        text = tmp_path / f"{number}.txt"
        text.write_text("\n\n".join(documents[number * 60 : number * 60 + 20]) + "\n", encoding="utf-8")
        vocab = one_process[0] / "model" / "vocab.txt"
        prepared = run_script("prepare_corpus.py", text, "--vocab", vocab, "--output", tmp_path / f"shards{number}")
        assert prepared.returncode == 0, prepared.stderr
    corpora = ["--corpus", tmp_path / "shards0", tmp_path / "shards1", "--config", recipe, *WITHOUT_DROPOUT]
    for count in (1, 2):
        result = run_script(
            "pretrain.py", *corpora, "--output", tmp_path / str(count), "--nproc", count, "data.mixture_weights=[3, 1]"
        )
        assert result.returncode == 0, result.stderr
        assert "corpus 1, phase 1, train" in result.stdout
    assert_same_training(tmp_path / "2", tmp_path / "1")
    wrong = run_script("pretrain.py", *corpora, "--output", tmp_path / "wrong", "data.mixture_weights=[3, 1, 1]")
    assert wrong.returncode == 2 and "one number for each of the 2 prepared corpora" in wrong.stderr
    half = run_script(
        "pretrain.py", "--corpus", tmp_path / "shards0", tmp_path / "1.txt", "--output", tmp_path / "half"
    )
    assert half.returncode == 2 and "not a folder of shards" in half.stderr


@pytest.mark.slow
def test_resuming_on_changed_data_is_refused_unless_changes_are_accepted(arguments, corpus, tmp_path):
    run = tmp_path / "run"
    command = ["--config", arguments[3], "--output", run, "--nproc", 1]
    vocab = tmp_path / "vocab.txt"
    assert run_script("build_vocab.py", corpus, "--output", vocab).returncode == 0
    process = subprocess.Popen(
        command_of("pretrain.py", "--corpus", corpus, "--vocab", vocab, *command, "phases.0.num_steps=80"),
        stdout=subprocess.DEVNULL,
    )
    wait_for_step(process, run, 5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 143
    changed = tmp_path / "changed.txt"
    changed.write_text(corpus.read_text(encoding="utf-8") + "\n又加了一个文档。它很短。\n", encoding="utf-8")
    again = ["--corpus", changed, "--vocab", vocab, *command, "phases.0.num_steps=80", "--resume", "auto"]
    refused = run_script("pretrain.py", *again)
    assert refused.returncode == 2 and "the data differ" in refused.stderr
    assert "forty.txt" in refused.stderr and "changed.txt" in refused.stderr and "--accept-changes" in refused.stderr
    accepted = run_script("pretrain.py", *again, "--accept-changes")
    assert accepted.returncode == 0, accepted.stderr
    assert (
        "continuing although the data differ" in accepted.stderr and "about to continue after step" in accepted.stdout
    )


@pytest.mark.parity
def test_paddlenlp_opens_the_trained_model_and_gives_the_answers_of_the_hub_module(one_process):
    import paddle
    from paddlenlp.transformers import AutoTokenizer, BertForMaskedLM

    from paddle_wwm.hub import BertHubModule

    folder = str(one_process[0] / "model")
    theirs, tokenizer = BertForMaskedLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    theirs.eval()
    inputs = tokenizer("早上的地[MASK]站台上", return_tensors="pd")
    position = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
    scores = paddle.nn.functional.softmax(theirs(**inputs)[0, position]).numpy()
    [result] = BertHubModule(task="fill-mask", weights=folder).predict(["早上的地[MASK]站台上"], top_k=5)
    best = np.argsort(-scores)[:5]
    assert [item["token"] for item in result["masks"][0]] == tokenizer.convert_ids_to_tokens(best.tolist())
    np.testing.assert_allclose([item["score"] for item in result["masks"][0]], scores[best], atol=1e-5)


def test_a_dry_run_prints_the_plan_and_writes_nothing(arguments, tmp_path):
    result = run_script(
        "pretrain.py", *arguments, "--output", tmp_path / "run", "--vocab-size", 3000, "--dry-run", "seed=11"
    )
    assert result.returncode == 0, result.stderr
    for text in (
        "seed: 11",
        "parameters         1",
        "phase 1            6 steps x 4 examples x 64 tokens = at most 1,536 tokens",
        "memory per worker",
    ):
        assert text in result.stdout
    plan = result.stdout[result.stdout.index("\nplan\n") :].splitlines()[2:]
    assert [line.split()[0] for line in plan if line[2] != " "] == [
        *("data", "model", "step", "rate", "phases", "evaluate", "save")
    ]
    assert "forty.txt ─► lac words ─► shards ─► examples ─► 18 steps" in plan[0]
    assert list(tmp_path.iterdir()) == []


def test_the_help_of_every_script_shows_its_command():
    for script in sorted((ROOT / "scripts").glob("*.py")):
        if script.stem == "evidence":
            continue
        result = run_script(script.name, "--help")
        assert result.returncode == 0 and "paddle-wwm " in result.stdout, script.name
