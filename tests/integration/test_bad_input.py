"""Bad input ends with one clear line and exit status 2, and leaves no partial files."""

import resource
import shutil
import subprocess

import pytest

from .scripts import ROOT, command_of, run_command, run_script

pytestmark = pytest.mark.integration

HF_FOLDER = ROOT / "tests" / "fixtures" / "tiny_bert_hf"


def files_below(folder):
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    )


def assert_one_clear_line(result, *parts):
    assert result.returncode == 2, result.stdout + result.stderr
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in line, line


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "gb18030.txt").write_bytes("第一行。\n第二行。\n".encode() + "第三行。\n".encode("gb18030"))
    (tmp_path / "empty.txt").touch()
    (tmp_path / "blank.txt").write_text("\n\n \n", encoding="utf-8")
    (tmp_path / "one.txt").write_text("只有一个文档。\n", encoding="utf-8")
    (tmp_path / "no_mask.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n我\n", encoding="utf-8")
    (tmp_path / "twice.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n我\n我\n", encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(
        "phases: [{max_seq_length: 32, global_batch_size: 8, num_steps: 2, learning_rat: 1e-3}]\n"
    )
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("weeks of work")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").touch()
    return tmp_path


CASES = {
    "a missing file": (["--corpus", "absent.txt"], ["absent.txt", "no such file"]),
    "an empty file": (["--corpus", "empty.txt"], ["empty.txt", "is empty"]),
    "a file without text": (["--corpus", "blank.txt"], ["no text"]),
    "a folder without text": (["--corpus", "pictures"], ["pictures", "is a folder without files that end in .txt"]),
    "a folder with one document": (["--corpus", "foreign"], ["only one document", "blank line"]),
    "a file that is not UTF-8": (["--corpus", "gb18030.txt"], ["gb18030.txt", "line 3", "not UTF-8"]),
    "one document": (["--corpus", "one.txt"], ["only one document", "blank line"]),
    "a vocabulary without [MASK]": (["--vocab", "no_mask.txt"], ["no_mask.txt", "lacks [MASK]"]),
    "a vocabulary with a token twice": (["--vocab", "twice.txt"], ["twice.txt", "line 7", "line 6"]),
    "a missing vocabulary": (["--vocab", "absent.txt"], ["absent.txt", "no such vocabulary"]),
    "a missing recipe": (["--config", "absent.yaml"], ["absent.yaml", "no such recipe"]),
    "an unknown key in a recipe": (
        ["--config", "bad.yaml"],
        ["bad.yaml, line 1", "learning_rat", "did you mean `learning_rate`"],
    ),
    "an unknown key in an override": (
        ["masking.prob=0.3"],
        ["override 'masking.prob=0.3'", "unknown key `masking.prob`"],
    ),
    "a value of the wrong type": (["seed=now"], ["`seed` must be a whole number", "now"]),
    "an unknown segmenter": (["data.segmenter=ltp"], ["`segmenter` must be one of lac", "ltp"]),
    "a folder that is not empty": (["--output", "foreign"], ["foreign", "is not empty and holds no run"]),
    "a batch size that is not a multiple": (["phases.0.global_batch_size=6"], ["must be a multiple of", "2 x 2 = 4"]),
    "a batch size that is not a multiple, and a valid micro-batch size": (
        ["phases.1.global_batch_size=6"],
        ["`phases.1`", "runtime.micro_batch_size=1"],
    ),
    "no phase": (["phases=[]"], ["`phases` must have at least one phase"]),
    "a phase that does not exist": (["phases.2.num_steps=3"], ["'2' must be an index from 0 to 1"]),
    "an unknown optimizer": (
        ["optimizer.name=lamb"],
        ["`optimizer.name` must be adamw or lamb-hfl or lamb-paddle, but is 'lamb'"],
    ),
    "a precision of GPUs on the CPU": (
        ["amp.level=O2"],
        ["`amp` must be level O1 with dtype bfloat16", "amp.level=O0"],
    ),
    "a length above the number of positions": (
        ["phases.0.max_seq_length=128"],
        ["`max_seq_length` must be at most", "(64)"],
    ),
    "an --init that is not a model": (["--init", "foreign"], ["foreign/model_state.pdparams", "no such file"]),
    "an --init of another framework": (
        ["--init", HF_FOLDER],
        ["holds model.safetensors", "paddle-wwm convert", "--to paddle"],
    ),
    "a model too large for the disk": (
        [
            "model.hidden_size=65536",
            "model.num_attention_heads=1024",
            "model.intermediate_size=262144",
            "model.num_hidden_layers=512",
        ],
        ["GB are free", "needs about"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_gives_one_clear_line_and_leaves_no_files(case, folder, corpus, recipe):
    given, parts = CASES[case]
    options = {"--corpus": corpus, "--config": recipe, "--output": "run", "--nproc": 2}
    arguments = [part for option, value in options.items() if option not in given for part in (option, value)]
    before = files_below(folder)
    result = run_script("pretrain.py", *given, *arguments, cwd=folder)
    assert_one_clear_line(result, *parts)
    # a corpus that was prepared before the error is complete and will be reused
    assert [name for name in files_below(folder) if not name.startswith("prepared/")] == before
    assert not [name for name in files_below(folder) if "/." in name or name.startswith(".")]


@pytest.mark.slow
def test_an_output_folder_that_holds_another_run_is_kept(folder, arguments):
    run = folder / "run"
    first = run_script("pretrain.py", *arguments, "--output", run, "--nproc", 1)
    assert first.returncode == 0, first.stderr
    before = {name: (run / name).read_bytes() for name in files_below(run)}
    again = run_script("pretrain.py", *arguments, "--output", run, "--nproc", 1)
    assert_one_clear_line(again, "already holds a run", "--resume auto", "--overwrite")
    other = run_script("pretrain.py", *arguments, "--output", run, "--nproc", 1, "--resume", "auto", "seed=8")
    assert_one_clear_line(other, "cannot be resumed", "the recipe differs")
    assert {name: (run / name).read_bytes() for name in files_below(run)} == before
    replaced = run_script("pretrain.py", *arguments, "--output", run, "--nproc", 1, "--overwrite", "seed=8")
    assert replaced.returncode == 0, replaced.stderr


def test_a_full_disk_gives_one_clear_line_and_leaves_no_partial_corpus(corpus, folder, prepared):
    """A limit on the file size stands for a full disk: no shard set and no temporary folder remain."""
    vocab = folder / "vocab.txt"
    assert run_script("build_vocab.py", corpus, "--output", vocab).returncode == 0
    before = files_below(folder)
    result = subprocess.run(
        command_of("prepare_corpus.py", corpus, "--vocab", vocab, "--output", folder / "shards", "--workers", 1),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert_one_clear_line(result, "too large")
    assert files_below(folder) == before and not (folder / "shards").exists()


@pytest.mark.slow
def test_a_full_disk_at_a_checkpoint_ends_both_workers_with_one_line_and_the_run_can_resume(folder, arguments):
    """A limit on the file size stands for a full disk: small files of the run fit, checkpoints do not."""
    command = command_of("pretrain.py", *arguments, "--output", folder / "run", "--nproc", 2)
    options = {"capture_output": True, "text": True, "timeout": 300}
    result = subprocess.run(
        command,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY)),
        **options,
    )
    assert_one_clear_line(
        result, "step-00000004: the checkpoint cannot be written", "no earlier one exists", "--resume auto"
    )
    assert list((folder / "run" / "checkpoints").iterdir()) == []
    resumed = run_command([*command, "--resume", "auto"])
    assert resumed.returncode == 0, resumed.stderr


@pytest.mark.slow
def test_a_checkpoint_of_another_run_is_refused(folder, arguments):
    for name, seed in (("run", 7), ("other", 8)):
        result = run_script("pretrain.py", *arguments, "--output", folder / name, "--nproc", 1, f"seed={seed}")
        assert result.returncode == 0, result.stderr
    foreign = folder / "run" / "checkpoints" / "step-00000018"
    shutil.rmtree(foreign)
    shutil.copytree(folder / "other" / "checkpoints" / "step-00000018", foreign)
    (folder / "run" / "model" / "config.json").unlink()
    resumed = run_script(
        "pretrain.py", *arguments, "--output", folder / "run", "--nproc", 1, "--resume", "auto", "seed=7"
    )
    assert_one_clear_line(resumed, str(foreign), "not a checkpoint of this run")


@pytest.mark.slow
def test_a_vocabulary_that_differs_from_that_of_the_init_checkpoint_is_refused(folder, arguments):
    first = run_script("pretrain.py", *arguments, "--output", folder / "first", "--nproc", 1)
    assert first.returncode == 0, first.stderr
    vocab = folder / "longer.txt"
    vocab.write_text((folder / "first" / "model" / "vocab.txt").read_text(encoding="utf-8") + "龘\n", encoding="utf-8")
    second = run_script(
        "pretrain.py", *arguments, "--init", folder / "first" / "model", "--vocab", vocab, "--output", folder / "second"
    )
    assert_one_clear_line(second, str(vocab), "is not the vocabulary of", "leave out --vocab")


@pytest.mark.slow
def test_a_truncated_checkpoint_is_skipped_with_a_warning(folder, arguments):
    command = command_of("pretrain.py", *arguments, "--output", folder / "run", "--nproc", 1)
    stopped = run_command([*command, "phases.0.num_steps=12", "phases.1.num_steps=6"])
    assert stopped.returncode == 0
    # the newest checkpoint is truncated: resuming skips it with a warning and trains its steps again
    torn = folder / "run" / "checkpoints" / "step-00000018" / "model_state.pdparams"
    torn.write_bytes(torn.read_bytes()[:100])
    (folder / "run" / "model" / "config.json").unlink()
    resumed = run_command([*command, "--resume", "auto"])
    assert resumed.returncode == 0, resumed.stderr
    assert "checkpoint skipped" in resumed.stderr and "continue after step 16" in resumed.stdout


@pytest.mark.slow
def test_training_from_a_model_keeps_its_sizes_and_vocabulary(folder, arguments, recipe):
    first = run_script("pretrain.py", *arguments, "--output", folder / "first", "--nproc", 1)
    assert first.returncode == 0, first.stderr
    # without pairs the pooler is not trained further, but it was trained before: config.json must not list it
    changed = ["model.hidden_size=64", "data.pairing=full-sentences", "seed=9"]
    start = ["--init", folder / "first" / "model", "--output", folder / "second"]
    second = run_script("pretrain.py", *arguments, *start, "--nproc", 1, *changed)
    assert second.returncode == 0, second.stderr
    assert "starting from" in second.stdout
    for name in ("config.json", "vocab.txt"):
        assert (folder / "second" / "model" / name).read_bytes() == (folder / "first" / "model" / name).read_bytes()
    fresh = run_script(
        "pretrain.py", *arguments, "--output", folder / "fresh", "--nproc", 1, "data.pairing=full-sentences"
    )
    assert fresh.returncode == 0, fresh.stderr
    assert '"bert.pooler"' in (folder / "fresh" / "model" / "config.json").read_text()
