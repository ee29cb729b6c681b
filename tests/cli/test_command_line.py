"""The command line: the overview, the help and examples of each command, wrong commands, shims."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from paddle_wwm.cli.main import COMMANDS, load, main, make_parser, overview, parse, split_command
from paddle_wwm.version import __version__

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "paddle_wwm"
# The commands of the shims in scripts/ whose names differ from the command's name.
OLD_NAMES = {"build_hub_modules": "hub build", "serve_hub_modules": "hub serve-archives", "fill_mask": "hub fill-mask"}
SCRIPTS = sorted(path for path in (ROOT / "scripts").glob("*.py") if path.stem != "evidence")


def run_python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], cwd=cwd or ROOT, capture_output=True, text=True, timeout=120)


def status_of(*argv: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(argv)
    return int(stop.value.code or 0)


def examples_of(text: str) -> list[list[str]]:
    """Return the arguments of each example command in a help text."""
    text = text.replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in re.findall(r"^  (?:\S+=\S+ )*paddle-wwm .*$", text, re.M)]
    return [line[line.index("paddle-wwm") + 1 :] for line in lines]


def test_help_lists_every_command_with_its_summary_without_importing_numpy_or_paddle():
    code = (
        "import sys; from paddle_wwm.cli.main import main\n"
        "try: main(['--help'])\n"
        "finally: print(sorted({'numpy', 'paddle', 'yaml', 'numba'} & sys.modules.keys()))"
    )
    done = run_python("-c", code)
    assert done.returncode == 0 and done.stderr == ""
    for name in COMMANDS:
        assert re.search(rf"^  {name} +{re.escape(load(name).SUMMARY)}$", done.stdout, re.M), name
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_command_imports_only_its_own_module():
    code = (
        "import sys; from paddle_wwm.cli.main import main\n"
        "try: main(['hub', 'install', '--help'])\n"
        "finally: print(sorted(name for name in sys.modules if name.startswith('paddle_wwm.cli.')))"
    )
    assert run_python("-c", code).stdout.splitlines()[-1] == str(
        [f"paddle_wwm.cli.{name}" for name in ("hub_install", "main", "parser", "process")]
    )


def test_every_module_of_cli_is_a_command_or_a_helper():
    modules = {path.stem for path in (PACKAGE / "cli").glob("*.py") if not path.stem.endswith("flags")}
    modules -= {"__init__", "main", "parser", "process", "dry_run"}
    assert modules == {name.replace(" ", "_").replace("-", "_") for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_in_the_help_of_a_command_parse(name):
    help_text = make_parser(name).format_help()
    assert help_text.startswith(f"usage: paddle-wwm {name}")
    parsed = []
    for words in examples_of(help_text):
        found, rest = split_command(words)
        assert found, words
        parse(found, rest)
        parsed.append(found)
    assert name in parsed
    assert max(map(len, f"{load(name).__doc__}\n{load(name).EXAMPLES}".splitlines())) <= 120


@pytest.mark.parametrize("name", COMMANDS)
def test_the_exit_status_is_0_for_help_and_2_for_an_unknown_flag(name, capsys):
    assert status_of(*name.split(), "--help") == 0
    assert load(name).EXAMPLES in capsys.readouterr().out
    assert status_of(*name.split(), "--no-such-flag") == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_has_a_help_text_and_every_value_a_name(name):
    for action in make_parser(name)._actions:
        assert action.help, action.dest
        assert action.choices or action.nargs == 0 or action.metavar, f"{name} {action.option_strings}"


@pytest.mark.parametrize(
    ("argv", "place"),
    [
        (["pretran"], "`paddle-wwm pretrain`"),
        (["prepare_corpus", "a b.txt", "--cased"], "`paddle-wwm prepare-corpus 'a b.txt' --cased`"),
        (["train"], "`paddle-wwm pretrain`"),
        (["serve", "--port", "0"], "`paddle-wwm hub serve --port 0`"),
        (["hub", "bild"], "`paddle-wwm hub build`"),
        (["hubs"], "`paddle-wwm hub`"),
        (["--verion"], "`paddle-wwm --help` lists"),
    ],
)
def test_an_unknown_command_is_reported_in_one_line_with_the_nearest_name(argv, place, capsys):
    assert status_of(*argv) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and place in line


@pytest.mark.parametrize(
    ("line", "corrected"),
    [
        ("pretrain --coprus a.txt seed=7", "pretrain --corpus a.txt seed=7"),
        ("finetune --task lcqmc --modle rbt3 --output=x", "finetune --task lcqmc --model rbt3 --output=x"),
        ("pretrain --list_recipes", "pretrain --list-recipes"),
        ("pretrain --num-epochs=2", "pretrain --epochs=2"),
        ("show-masking 好 --pairing next-sentences", "show-masking 好 --pairing next-sentence"),
    ],
)
def test_a_typo_in_a_flag_or_a_choice_shows_the_corrected_command(line, corrected, capsys):
    assert status_of(*line.split()) == 2
    first, question, suggestion, last = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: paddle-wwm {line.split()[0]}: ") and question == "Did you mean:"
    assert shlex.split(suggestion) == ["paddle-wwm", *corrected.split()]
    assert last == f"`paddle-wwm {line.split()[0]} --help` explains every flag."


NEED_ARGUMENTS = [
    name for name in COMMANDS if name not in ("pretrain", "models", "tasks", "doctor", "hub serve-archives")
]


@pytest.mark.parametrize("name", NEED_ARGUMENTS)
def test_a_command_without_its_arguments_shows_an_example_that_parses(name, capsys):
    assert status_of(*name.split()) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ") and len(shown.splitlines()) <= 6
    if "For example:" in shown:  # `hub build` reports the missing flag itself
        [words] = examples_of(shown.split("For example:")[1].split("\n`")[0])
        found, rest = split_command(words)
        assert found == name
        parse(found, rest)


def test_without_a_command_the_overview_is_printed_to_stderr_with_status_2(capsys):
    assert status_of() == 2
    assert capsys.readouterr().err.strip() == overview()
    assert status_of("hub") == 2
    assert "hub serve-archives" in capsys.readouterr().err


def test_version_prints_the_version(capsys):
    assert status_of("--version") == 0
    assert capsys.readouterr().out == f"paddle-wwm {__version__}\n"


def test_the_module_and_the_entry_point_are_the_same_program():
    assert run_python("-m", "paddle_wwm", "--version").stdout == f"paddle-wwm {__version__}\n"
    assert '"console_scripts": ["paddle-wwm = paddle_wwm.cli.main:main"]' in (ROOT / "setup.py").read_text()


@pytest.mark.parametrize(
    ("module", "first_line"),
    [
        ("hub", "usage: paddle-wwm hub COMMAND …"),
        ("tasks", "usage: paddle-wwm tasks "),
        ("variants", "usage: paddle-wwm models "),
        ("doctor", "usage: paddle-wwm doctor "),
    ],
)
def test_the_old_modules_are_shims_of_commands(module, first_line):
    done = run_python("-m", f"paddle_wwm.{module}", "--help")
    assert done.returncode == 0 and done.stdout.startswith(first_line), done.stderr


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_is_a_shim_of_its_command(path):
    source = path.read_text(encoding="utf-8")
    statements = ast.parse(source).body[1:]  # without the docstring
    assert len(statements) <= 5 and len(source.splitlines()) <= 12
    command = OLD_NAMES.get(path.stem, path.stem.replace("_", "-"))
    words = ", ".join(f'"{word}"' for word in command.split())
    assert command in COMMANDS and f"    main([{words}, *sys.argv[1:]])" in source


def test_a_script_runs_from_another_folder_without_an_installation(tmp_path):
    done = subprocess.run(
        [sys.executable, "-I", ROOT / "scripts" / "build_vocab.py", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout.startswith("usage: paddle-wwm build-vocab")


def test_a_worker_runs_the_code_of_its_checkout_not_of_the_working_folder(tmp_path):
    """The checkout is a copy of the package with version 9.9.9; the working folder has another paddle_wwm."""
    checkout, working = tmp_path / "checkout", tmp_path / "working"
    for folder in (checkout / "paddle_wwm", working / "paddle_wwm"):
        shutil.copytree(PACKAGE, folder)
        (folder / "version.py").write_text(f'__version__ = "{"9.9.9" if "checkout" in folder.parts else "0.0.0"}"\n')
    (checkout / "start.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(checkout)!r})\n"
        "from paddle_wwm.runs.processes import Command, package_command, run_processes\n"
        "command = Command(name='version', line=package_command('--version'))\n"
        "sys.exit(run_processes([command], num_at_a_time=1, grace_s=1, failed_grace_s=1).statuses[0])\n"
    )
    done = run_python(str(checkout / "start.py"), cwd=working)
    assert (done.returncode, done.stdout) == (0, "paddle-wwm 9.9.9\n"), done.stderr


def test_an_override_may_follow_the_files_of_the_corpus():
    arguments = parse("pretrain", ["--corpus", "a.txt", "seed=7", "--nproc", "2", "phases.0.num_steps=3"])
    assert arguments.overrides == ["phases.0.num_steps=3", "seed=7"] and arguments.corpus == [Path("a.txt")]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["pretrain", "--resume", "auto", "--overwrite"], "--resume and --overwrite exclude each other"),
        (["pretrain", "--init-layers", "3"], "needs --init"),
        (["finetune", "--model", "x", "--output", "y"], "give --task with --data"),
        (["evaluate", "--model", "x", "--task", "cjrc"], "--task needs --data"),
        (["show-masking"], "give a TEXT or --shards"),
        (["show-masking", "--shards", "x", "--custom-dictionary", "d"], "give a TEXT and no --words"),
        (["show-masking", "天", "--words", "天", "--segmenter", "jieba"], "give a TEXT and no --words"),
        (["inspect-shards", "x", "--verify", "--documents", "0:1"], "--documents cannot be used with"),
        (["prepare-corpus", "x", "--vocab", "v", "--output", "o", "--scheduler", "s"], "needs --engine dask"),
        (
            ["prepare-corpus", "x", "--vocab", "v", "--output", "o", "--with", "nfc", "--without", "nfc"],
            "both name nfc",
        ),
        (["build-vocab", "x", "--output", "o", "--seed", "3"], "--seed has an effect with --sample only"),
        (["show-masking", "天", "--number", "3"], "--number is for examples from --shards"),
        (["show-masking", "天", "--shards", "x", "--max-seq-length", "64"], "--max-seq-length is for examples"),
        (["show-masking", "--shards", "x", "--cased"], "--cased is for TEXT"),
        (["download"], "give either names of models or --list"),
        (["tasks", "--data", "x"], "--data needs the name of a task"),
    ],
)
def test_flags_that_do_not_fit_together_are_refused(argv, message, capsys):
    assert status_of(*argv) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "prepare-corpus s3://bucket/a.txt --vocab v.txt --output out",
        "prepare-corpus hf://datasets/a/b --vocab v.txt --output out --dry-run",
        "prepare-corpus a.txt --vocab v.txt --output s3://bucket/out",
        "prepare-corpus a.txt --vocab https://host.example/vocab.txt --output out",
        "prepare-corpus a.txt --vocab v.txt --output out --custom-dictionary gs://bucket/d.txt",
        "prepare-corpus a.txt --vocab v.txt --output out --custom-dictionary a.txt --custom-dictionary gs://bucket/d",
        "build-vocab https://host.example/a.txt --output new.txt",
        "build-vocab a.txt --output s3://bucket/v.txt",
        "pretrain --corpus a.txt s3://bucket/set --output run",
        "pretrain --output s3://bucket/run",
        "pretrain --prepared hdfs://host.example/prepared",
        "convert s3://bucket/model out --to paddle",
        "convert model gs://bucket/out --to paddle",
        "verify-conversion hf://owner/model",
        "finetune --task chnsenticorp --data s3://bucket/data --model m --output run",
        "finetune --task chnsenticorp --data data --model m --output s3://bucket/run",
        "evaluate --task chnsenticorp --data data --model s3://bucket/model",
        "inspect-shards s3://bucket/set",
        "export-examples set --max-seq-length 128 --output s3://bucket/a.parquet",
        "report s3://bucket/run",
        "hub serve module --weights s3://bucket/model",
    ],
)
def test_an_address_in_place_of_a_local_path_is_refused_and_nothing_is_written(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("一。\n", encoding="utf-8")
    (tmp_path / "v.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "一"]), encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    assert status_of(*command.split()) == 2
    assert re.search(r"^error: \w+://\S+: must be a local path, but is an address; ", capsys.readouterr().err, re.M)
    assert sorted(tmp_path.rglob("*")) == before
