"""The conversion scripts as a user runs them, and the steps from a parent model to a smaller one."""

from __future__ import annotations

import json

import pytest

from ..conversion.sources import CONFIG, HF_FOLDER, REFERENCE, TF_FOLDER, hf_arrays, hf_folder, vocab_file
from .scripts import run_script
from .test_bad_input import assert_one_clear_line

pytestmark = pytest.mark.integration


def test_convert_prints_what_it_found_did_and_wrote(tmp_path):
    vocab = vocab_file(tmp_path / "vocab.txt")
    done = run_script("convert.py", TF_FOLDER, tmp_path / "out", "--to", "paddle", "--config", CONFIG, "--vocab", vocab)
    assert done.returncode == 0, done.stderr
    for part in (
        f"{TF_FOLDER}: TensorFlow checkpoint with Google's names",
        "62 tensors, 231,978 parameters, float32",
        "skipped     3 optimizer slots, 1 counters",
        f"{tmp_path / 'out' / 'model_state.pdparams'} (",
    ):
        assert part in done.stdout, done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "config.json",
        "conversion.json",
        "model_state.pdparams",
        "tokenizer_config.json",
        "vocab.txt",
    ]


def test_convert_reports_missing_heads_that_it_initialised(tmp_path):
    source = hf_folder(
        tmp_path / "headless", {name: array for name, array in hf_arrays().items() if name.startswith("bert.")}
    )
    done = run_script("convert.py", source, tmp_path / "out", "--to", "paddle")
    assert "initialised cls.predictions, cls.seq_relationship: missing in the source" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["absent", "out", "--to", "paddle"], ["absent: no such file or folder"]),
        ([TF_FOLDER, "out", "--to", "paddle"], ["holds none of config.json", "--config"]),
        ([REFERENCE, "out", "--to", "paddle"], [f"{REFERENCE}: holds no weights that are recognised"]),
        ([CONFIG, "out", "--to", "paddle"], [f"{CONFIG}: is not a source that is recognised"]),
        ([HF_FOLDER, "full", "--to", "paddle"], ["full: exists already"]),
        ([HF_FOLDER, "out", "--to", "paddle", "--keep-layers", "0-3"], ["different numbers from 0 to 2"]),
        ([HF_FOLDER, "out", "--to", "paddle", "--keep-layers", "0,0"], ["different numbers from 0 to 2"]),
        ([HF_FOLDER, "out", "--to", "paddle", "--keep-layers", "first"], ["must be given like 0,1,2 or 0-2"]),
        ([HF_FOLDER, "out", "--to", "paddle", "--vocab", "absent.txt"], ["absent.txt: no such vocabulary"]),
        ([HF_FOLDER, "out", "--to", "paddle", "--merge", "full"], ["full: holds no adapter_config.json"]),
        ([HF_FOLDER, "out", "--to", "paddle", "--positions-shifted"], ["is for a model of PaddleNLP's Roberta class"]),
    ],
)
def test_convert_refuses_bad_arguments_with_one_clear_line_and_leaves_no_files(tmp_path, arguments, parts):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    assert_one_clear_line(run_script("convert.py", *arguments, cwd=tmp_path), *parts)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["full", "full/thesis.txt"]


@pytest.mark.slow
def test_verify_compares_models_and_stored_outputs(tmp_path):
    assert run_script("convert.py", HF_FOLDER, tmp_path / "paddle", "--to", "paddle").returncode == 0
    stored = run_script("verify_conversion.py", tmp_path / "paddle", REFERENCE)
    assert stored.returncode == 0 and "the same within 1e-05" in stored.stdout, stored.stdout + stored.stderr
    both = run_script("verify_conversion.py", TF_FOLDER, tmp_path / "paddle", "--config", CONFIG)
    assert "62 of 62 tensors have the same bits" in both.stdout and both.returncode == 0, both.stdout + both.stderr
    saved = run_script("verify_conversion.py", TF_FOLDER, "--config", CONFIG, "--save-reference", tmp_path / "tf.npz")
    assert saved.returncode == 0, saved.stderr
    assert run_script("verify_conversion.py", tmp_path / "paddle", tmp_path / "tf.npz").returncode == 0


def test_verify_finds_a_parameter_that_differs(tmp_path):
    arrays = hf_arrays()
    arrays["bert.encoder.layer.2.output.dense.bias"][5] += 0.01
    other = hf_folder(tmp_path / "other", arrays)
    result = run_script("verify_conversion.py", HF_FOLDER, other)
    assert_one_clear_line(result, "the two are not the same")
    assert "61 of 62 tensors have the same bits" in result.stdout
    assert_one_clear_line(run_script("verify_conversion.py", other, REFERENCE), "the two are not the same")
    assert_one_clear_line(run_script("verify_conversion.py", other), "give two models")


@pytest.mark.slow
def test_pretraining_starts_from_the_first_layers_of_a_converted_parent(tmp_path, corpus, recipe):
    """Run both commands that lead to RBT3 in the documentation, with a small parent."""
    vocab = tmp_path / "vocab.txt"
    built = run_script("build_vocab.py", corpus, "--size", 2000, "--output", vocab)
    assert built.returncode == 0, built.stderr
    parent = tmp_path / "parent"
    trained = run_script(
        *(
            "pretrain.py",
            "--corpus",
            corpus,
            "--vocab",
            vocab,
            "--config",
            recipe,
            "--output",
            tmp_path / "parent-run",
            "--nproc",
            1,
        ),
        *(
            "--prepared",
            tmp_path / "prepared",
            "phases.0.num_steps=2",
            "phases.1.num_steps=1",
            "runtime.save_every_steps=3",
        ),
    )
    assert trained.returncode == 0, trained.stderr
    to_hugging_face = run_script("convert.py", tmp_path / "parent-run" / "model", parent, "--to", "huggingface")
    assert to_hugging_face.returncode == 0, to_hugging_face.stderr
    start = run_script("convert.py", parent, tmp_path / "start", "--to", "paddle", "--keep-layers", "0")
    assert start.returncode == 0, start.stderr
    shallow = run_script(
        *(
            "pretrain.py",
            "--init",
            tmp_path / "start",
            "--corpus",
            corpus,
            "--config",
            recipe,
            "--output",
            tmp_path / "run",
            "--nproc",
            1,
        ),
        *(
            "--prepared",
            tmp_path / "prepared",
            "phases.0.num_steps=2",
            "phases.1.num_steps=1",
            "runtime.save_every_steps=3",
        ),
    )
    assert shallow.returncode == 0, shallow.stderr
    assert json.loads((tmp_path / "run" / "model" / "config.json").read_text())["num_hidden_layers"] == 1
