"""Modules are built, installed by the real `hub` command line into a fresh HUB_HOME, and loaded without paddle_wwm on the path."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import paddle
import pytest

from paddle_wwm.config import ModelConfig
from paddle_wwm.errors import CheckpointError, DataError, HubModuleError
from paddle_wwm.hub.build import build_module, vendored_files
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model.weights import save_model

MODULES = Path(__file__).resolve().parents[2] / "hub_modules"
DEMO = "chinese-bert-wwm-quickstart"


@pytest.fixture(scope="module")
def weights(tmp_path_factory, mini_vocab):
    paddle.seed(0)
    folder = tmp_path_factory.mktemp("weights")
    config = ModelConfig(
        vocab_size=len(mini_vocab), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=24
    )
    save_model(folder, model=BertForPretraining(config), vocab=mini_vocab, do_lower_case=True)
    return folder


def build(weights, output, name=DEMO, **options):
    return build_module(name=name, weights=weights, output=output, modules=MODULES, **options)


def test_the_archive_has_one_top_folder_with_the_module_its_card_and_its_assets(weights, tmp_path):
    built = build(weights, tmp_path)
    with tarfile.open(built.archive) as tar:
        names = tar.getnames()
    assert {name.split("/")[0] for name in names} == {"chinese_bert_wwm_quickstart"}
    top = "chinese_bert_wwm_quickstart"
    assert {f"{top}/module.py", f"{top}/README.md", f"{top}/assets/model_state.pdparams", f"{top}/assets/vocab.txt"} <= set(names)
    assert (tmp_path / f"{built.archive.name}.sha256").read_text() == f"{built.sha256}  {built.archive.name}\n"


def test_the_same_weights_give_the_same_bytes(weights, tmp_path):
    assert build(weights, tmp_path / "a").archive.read_bytes() == build(weights, tmp_path / "b").archive.read_bytes()


def test_the_copy_inside_is_all_that_the_module_needs_and_no_more():
    names = {path.as_posix() for path in vendored_files()}
    assert {"hub/module.py", "model/bert.py", "tokenization/wordpiece.py", "conversion/pdparams.py", "errors.py"} <= names
    assert not [name for name in names if name.startswith(("corpus/", "shards/", "training/", "pretraining_data/")) or name == "hub/build.py"]


def test_the_demonstration_says_that_it_is_one(weights, tmp_path):
    built = build(weights, tmp_path)
    assert "demonstration" in (built.directory / "README.md").read_text(encoding="utf-8").lower()
    assert "demonstration" in (built.directory / "module.py").read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("name", ["Chinese", "a/b", "../x", "a b", "", "a--b"])
def test_a_name_that_cannot_be_a_module_is_refused(weights, tmp_path, name):
    with pytest.raises(HubModuleError, match="`name` must be"):
        build(weights, tmp_path, name=name)


def test_a_version_that_is_none_is_refused(weights, tmp_path):
    with pytest.raises(HubModuleError, match="`version` must have the form 1.2.3"):
        build(weights, tmp_path, name="mine", version="1.0")


def test_a_folder_without_weights_is_refused_and_nothing_is_written(tmp_path):
    (tmp_path / "weights").mkdir()
    with pytest.raises((CheckpointError, DataError)):
        build(tmp_path / "weights", tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def test_a_folder_that_is_no_module_is_not_overwritten(weights, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("weeks of work")
    with pytest.raises(HubModuleError, match="is no hub module"):
        build(weights, tmp_path, name="mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "weeks of work"


def run(code_or_command, *, hub_home, cwd):
    """Run Python code, or a command, in a fresh process that cannot see paddle_wwm."""
    command = [sys.executable, "-I", "-c", code_or_command] if isinstance(code_or_command, str) else code_or_command
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"HUB_HOME": str(hub_home)}
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=300)


HIDE_US = (
    "import sys\n"
    "class Hide:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name.split('.')[0] == 'paddle_wwm': raise ModuleNotFoundError(name)\n"
    "sys.meta_path.insert(0, Hide())\n"
)
USE = (
    "import paddlehub as hub\n"
    "module = hub.Module(name={name!r})\n"
    "result = module.predict(['使用语言[MASK]型'])\n"
    "print(len(result[0]['masks'][0]), module.get_embedding(['使用', '语言']).shape, module.version)\n"
)


@pytest.mark.integration
@pytest.mark.parametrize("form", ["archive", "folder"])
def test_hub_install_takes_it_and_hub_module_loads_it_without_us(weights, tmp_path, form):
    built = build(weights, tmp_path / "dist")
    source = built.archive if form == "archive" else built.directory
    hub = Path(sys.executable).with_name("hub")
    installed = run([str(hub), "install", str(source)], hub_home=tmp_path / "hub", cwd=tmp_path)
    assert installed.returncode == 0 and "Successfully installed" in installed.stdout + installed.stderr
    used = run(HIDE_US + USE.format(name=DEMO), hub_home=tmp_path / "hub", cwd=tmp_path)
    assert used.returncode == 0, used.stderr
    assert used.stdout.splitlines()[-1] == "5 (2, 16) 1.0.0"


@pytest.mark.integration
def test_a_new_version_installed_in_the_same_process_runs_its_own_code(weights, tmp_path):
    first = build(weights, tmp_path / "dist1", name="mine", version="1.0.0")
    second = build(weights, tmp_path / "dist2", name="mine", version="1.1.0")
    code = second.directory / next(path.name for path in second.directory.iterdir() if path.name.startswith("wwm_")) / "hub" / "module.py"
    renamed = code.parents[1].with_name("wwm_000000000000")
    code.write_text(code.read_text(encoding="utf-8").replace('POOLINGS = ("cls"', 'POOLINGS = ("newest", "cls"'), encoding="utf-8")
    module = second.directory / "module.py"
    module.write_text(module.read_text(encoding="utf-8").replace(code.parents[1].name, renamed.name), encoding="utf-8")
    code.parents[1].rename(renamed)
    script = HIDE_US + (
        "import paddlehub as hub\n"
        "from paddlehub.module.manager import LocalModuleManager\n"
        "manager = LocalModuleManager()\n"
        f"for directory in ({str(first.directory)!r}, {str(second.directory)!r}):\n"
        "    manager.install(directory=directory)\n"
        "    module = hub.Module(name='mine')\n"
        "    try: module.get_embedding(['x'], pooling='no such')\n"
        "    except Exception as error: print(module.version, 'newest' in str(error))\n"
    )
    used = run(script, hub_home=tmp_path / "hub", cwd=tmp_path)
    assert used.returncode == 0, used.stderr
    assert [line for line in used.stdout.splitlines() if line.startswith("1.")] == ["1.0.0 False", "1.1.0 True"]
