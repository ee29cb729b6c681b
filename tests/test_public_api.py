"""The public names: their list, lazy imports, complete documentation and working examples."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import importlib
import inspect
import logging
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import paddle_wwm

NAMES = [
    "BertForPretraining",
    "WholeWordMasker",
    "build_module",
    "convert",
    "evaluate",
    "fetch",
    "find_variant",
    "finetune",
    "install_module",
    "load_model",
    "load_segmenter",
    "load_vocab",
    "open_shards",
    "prepare_corpus",
    "pretrain",
    "verify",
]
FUNCTIONS = [name for name in NAMES if name[0].islower()]
RESULTS = ("build_module", "convert", "evaluate", "find_variant", "finetune", "install_module", "prepare_corpus")
RESULTS = (*RESULTS, "pretrain", "verify")
CORPUS = "使用语言模型来预测下一个词的probability。\n我们在北京大学学习。\n\n天气很好。\n我们在中国生活。\n"
SLOW = ("pretrain", "finetune", "evaluate", "install_module")


def test_dir_lists_the_public_names_and_nothing_else():
    assert dir(paddle_wwm) == sorted(["__version__", *NAMES])
    assert sorted(paddle_wwm.__all__) == dir(paddle_wwm)


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_is_defined_in_the_module_of_the_table(name):
    value = getattr(paddle_wwm, name)
    assert value.__module__ == f"paddle_wwm.{paddle_wwm._MODULES[name]}"


def test_the_stub_for_type_checkers_equals_the_table():
    tree = ast.parse(Path(paddle_wwm.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    stub = {
        alias.asname: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    assert stub == {**paddle_wwm._MODULES, "__version__": "version"}


def test_no_public_name_equals_the_name_of_a_submodule():
    submodules = {module.name for module in pkgutil.iter_modules(paddle_wwm.__path__)}
    assert "pretraining_data" in submodules and submodules.isdisjoint(NAMES)


def test_an_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'pretrian'"):
        _ = paddle_wwm.pretrian


def run_python(code: str, *, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(Path(paddle_wwm.__file__).resolve().parents[1])}
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_importing_the_package_loads_no_subpackage_and_no_heavy_dependency(tmp_path):
    code = "import paddle_wwm, sys; dir(paddle_wwm); print(*sys.modules)"
    loaded = run_python(code, cwd=tmp_path).split()
    assert {name for name in loaded if name.startswith("paddle")} == {"paddle_wwm", "paddle_wwm.version"}
    assert {"numpy", "tqdm", "numba", "requests"}.isdisjoint(loaded)


def test_importing_data_functions_does_not_import_paddle(tmp_path):
    names = "WholeWordMasker, load_segmenter, load_vocab, open_shards, prepare_corpus"
    code = f"from paddle_wwm import {names}; import sys; print('paddle' in sys.modules)"
    assert run_python(code, cwd=tmp_path) == "False\n"


def test_library_warnings_are_not_printed_by_default(tmp_path):
    code = "import paddle_wwm, logging; logging.getLogger('paddle_wwm.x').warning('seen')"
    assert run_python(code, cwd=tmp_path) == ""
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("paddle_wwm").handlers)


# ---- Documentation


def sections_of(text: str) -> dict[str, str]:
    sections: dict[str, str] = {}
    name = "summary"
    for line in inspect.cleandoc(text).splitlines():
        if not line.startswith(" ") and line.rstrip().endswith(":") and line.rstrip(":").isalpha():
            name = line.rstrip(":")
        sections[name] = sections.get(name, "") + line + "\n"
    return sections


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_has_every_section(name):
    text = getattr(paddle_wwm, name).__doc__
    sections = sections_of(text)
    assert len(sections["summary"].splitlines()[0]) < 80
    needed = {"Args", "Raises", "Example"} | ({"Returns"} if name in FUNCTIONS else set())
    assert needed <= sections.keys() and "Source:" in text


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_annotated_documented_and_named(name):
    value = getattr(paddle_wwm, name)
    called = value.__init__ if inspect.isclass(value) else value
    signature = inspect.signature(called)
    documented = sections_of(value.__doc__)["Args"]
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        assert parameter.kind is not inspect.Parameter.VAR_KEYWORD
        assert parameter.annotation is not inspect.Parameter.empty
        assert f"    {parameter.name}: " in documented
    assert signature.return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize("name", RESULTS)
def test_functions_return_frozen_dataclasses(name):
    function = getattr(paddle_wwm, name)
    kind = vars(importlib.import_module(function.__module__))[inspect.signature(function).return_annotation]
    assert dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen


# ---- Examples


@pytest.fixture(scope="module")
def files(tmp_path_factory, mini_vocab):
    """A folder with the files that the examples use."""
    from paddle_wwm.model.networks import PooledNetwork
    from paddle_wwm.model.weights import load_model, save_model
    from paddle_wwm.shards.preparation.engines import EngineConfig
    from paddle_wwm.shards.preparation.prepare import prepare_corpus
    from paddle_wwm.tasks.model_folder import write_finetuned

    from .finetuning.builders import write_model, write_texts

    folder = tmp_path_factory.mktemp("examples")
    mini_vocab.save(folder / "vocab.txt")
    (folder / "corpus.txt").write_text(CORPUS, encoding="utf-8")
    (folder / "model").mkdir()
    write_model(folder / "model", mini_vocab)
    model = load_model(folder / "model")
    network = PooledNetwork(model.config, 2)
    (folder / "finetuned").mkdir()
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    labels = {0: "0", 1: "1"}
    write_finetuned(folder / "finetuned", arrays=arrays, source=folder / "model", task="seq-cls", label_map=labels)
    (folder / "headless").mkdir()
    untrained = ("bert.pooler", "cls.predictions", "cls.seq_relationship")
    save_model(folder / "headless", model=model, vocab=mini_vocab, do_lower_case=True, untrained=untrained)
    for number, split in enumerate(("train", "dev")):
        write_texts(folder / f"{split}.tsv", 16, seed=number)
    prepare_corpus(
        corpus=[folder / "corpus.txt"],
        vocab=mini_vocab,
        output=folder / "shards",
        engine=EngineConfig(num_workers=1),
    )
    return folder


def check_examples(text: str, *, name: str) -> None:
    found = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    assert found.examples
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(found, out=report.append)
    assert not report, "".join(report)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in NAMES])
def test_the_example_of_a_public_name_runs_and_prints_nothing(name, files, monkeypatch, capfd):
    monkeypatch.chdir(files)
    check_examples(getattr(paddle_wwm, name).__doc__, name=name)
    shown = capfd.readouterr()
    assert shown.out == ""
    if name != "install_module":  # PaddleHub's own messages
        assert shown.err == ""


def test_the_example_of_the_package_runs(files, monkeypatch):
    monkeypatch.chdir(files)
    check_examples(paddle_wwm.__doc__, name="paddle_wwm")


@pytest.mark.slow
def test_the_examples_of_the_docs_page_run(files, monkeypatch):
    monkeypatch.chdir(files)
    page = Path(__file__).resolve().parents[1] / "docs" / "library.md"
    text = page.read_text(encoding="utf-8")
    check_examples(text.replace("```", ""), name="library.md")
    assert [name for name in NAMES if f"`{name}`" not in text] == []
