from __future__ import annotations

import os
import re
import subprocess
import sysconfig
import venv
from pathlib import Path

import paddle
import pytest

from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model.weights import save_model
from paddle_wwm.model_config import ModelConfig


def tiny_model(vocab, **changes) -> BertForPretraining:
    """Make a random model with clearly different outputs; the same sizes give the same model."""
    paddle.seed(0)
    sizes = {
        "vocab_size": len(vocab),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 24,
        "initializer_range": 0.5,
    }
    return BertForPretraining(ModelConfig(**{**sizes, **changes}))


@pytest.fixture(scope="session")
def weights(tmp_path_factory, mini_vocab):
    """Return a model folder in the form that training writes."""
    folder = tmp_path_factory.mktemp("weights")
    save_model(folder, model=tiny_model(mini_vocab), vocab=mini_vocab, do_lower_case=True)
    return folder


@pytest.fixture(scope="session")
def headless_weights(tmp_path_factory, mini_vocab):
    """Return a model folder with random heads and pooler, as after converting published weights."""
    folder = tmp_path_factory.mktemp("headless")
    untrained = ("bert.pooler", "cls.predictions", "cls.seq_relationship")
    save_model(folder, model=tiny_model(mini_vocab), vocab=mini_vocab, do_lower_case=True, untrained=untrained)
    return folder


def rows_of(table: str) -> dict[str, str]:
    """Return the rows of a table of `hub list` or `hub show`: the last cell by the first, without line breaks."""
    rows: list[list[str]] = []
    for line in re.sub("\x1b\\[[0-9]*m", "", table).splitlines():
        if line.startswith("+--"):
            rows.append(["", ""])
        elif line.startswith("|") and rows:
            first, *_, last = line.strip("|").split("|")
            # a cell has a fixed width, and its text is cut anywhere: only spaces at the very end are filling
            rows[-1] = [rows[-1][0] + first.strip(), rows[-1][1] + last]
    return {first: last.strip() for first, last in rows if first}


class BareEnvironment:
    """A virtual environment with PaddleHub, PaddleNLP and their dependencies, but without paddle_wwm.

    The packages are those of the current environment, found by path.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=True)
        self.python = folder / "bin" / "python"
        ours = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
        theirs = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
        # Python searches a folder that a .pth file names, but does not read the .pth files in it. pip install -e
        # installs paddle_wwm by such a file.
        (Path(ours["purelib"]) / "packages.pth").write_text("".join(f"{path}\n" for path in theirs))
        hub = folder / "bin" / "hub"  # like the script that pip writes
        hub.write_text(
            f"#!{self.python}\nimport sys\nfrom paddlehub.commands.utils import execute\nsys.exit(execute())\n"
        )
        hub.chmod(0o755)
        self.hub = str(hub)

    def run(self, code_or_command: str | list[str], *, hub_home: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run Python code, or a command, in a new process of the environment."""
        command = (
            [str(self.python), "-I", "-c", code_or_command] if isinstance(code_or_command, str) else code_or_command
        )
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment = inherited | {"HUB_HOME": str(hub_home), "COLUMNS": "200"}
        return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """Return the environment of a user who has only PaddleHub and PaddleNLP."""
    environment = BareEnvironment(tmp_path_factory.mktemp("bare") / "env")
    code = (
        "import importlib.util as u; print([bool(u.find_spec(name)) for name in ('paddlehub', 'paddlenlp', "
        "'paddle_wwm')])"
    )
    seen = environment.run(code, hub_home=tmp_path_factory.mktemp("hub"), cwd=tmp_path_factory.mktemp("cwd"))
    if seen.stdout.strip() == "[True, True, True]":
        pytest.skip(
            "paddle_wwm is installed as a copy among the other packages (not with pip install -e), so no "
            "environment can be made without it"
        )
    assert seen.stdout.strip() == "[True, True, False]", seen.stdout + seen.stderr
    return environment
