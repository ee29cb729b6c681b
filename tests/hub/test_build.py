"""Build modules, install them with the real `hub` command line, load them in an environment without paddle_wwm."""

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from paddle_wwm.errors import CheckpointError, DataError, HubModuleError
from paddle_wwm.files import sha256_of_file
from paddle_wwm.hub.build import build_module
from paddle_wwm.hub.module_info import module_info
from paddle_wwm.hub.sources import folder_name, variant_sources, version_of_the_project
from paddle_wwm.hub.vendor import vendored_contents
from paddle_wwm.variants import VARIANTS, find_variant
from paddle_wwm.version import __version__
from paddle_wwm.weights.pdparams import read_pdparams, write_pdparams

MODULES = Path(__file__).resolve().parents[2] / "hub_modules"
DEMO = "chinese-bert-wwm-quickstart"
VERSION = version_of_the_project(__version__)


def build(weights, output, name=DEMO, **options):
    return build_module(name=name, weights=weights, output=output, modules=MODULES, **options)


def test_the_archive_has_one_top_folder_with_module_card_and_assets(weights, tmp_path):
    built = build(weights, tmp_path)
    with tarfile.open(built.archive) as tar:
        names = tar.getnames()
    assert {name.split("/")[0] for name in names} == {"chinese_bert_wwm_quickstart"}
    top = "chinese_bert_wwm_quickstart"
    assert {
        f"{top}/module.py",
        f"{top}/README.md",
        f"{top}/assets/model_state.pdparams",
        f"{top}/assets/vocab.txt",
    } <= set(names)
    assert (tmp_path / f"{built.archive.name}.sha256").read_text() == f"{built.sha256}  {built.archive.name}\n"


def test_the_same_weights_give_the_same_bytes(weights, tmp_path):
    assert build(weights, tmp_path / "a").archive.read_bytes() == build(weights, tmp_path / "b").archive.read_bytes()


def test_the_copy_inside_holds_only_what_the_module_needs():
    contents = {path.as_posix(): content for path, content in vendored_contents().items()}
    needed = {
        "hub/module.py",
        "model/bert.py",
        "tokenization/wordpiece.py",
        "weights/pdparams.py",
        "download/home.py",
        "errors.py",
    }
    assert needed <= contents.keys()
    rooms = ("corpus/", "shards/", "runs/", "pretraining/", "pretraining_data/", "variants/")
    files = {"hub/build.py", "hub/install.py", "download/hub.py", "weights/tensorflow.py"}
    assert [name for name in contents if name.startswith(rooms) or name in files] == []
    assert contents["download/__init__.py"] == b"" and contents["hub/__init__.py"] != b""


def test_the_list_of_checksums_has_every_file(weights, tmp_path):
    folder = build(weights, tmp_path).directory
    sums = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    files = {path.relative_to(folder).as_posix(): sha256_of_file(path) for path in folder.rglob("*") if path.is_file()}
    assert (
        sums == {name: digest for name, digest in files.items() if name != "SHA256SUMS"} and "assets/vocab.txt" in sums
    )


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_model_of_the_table_has_a_module_and_a_card(variant):
    folder = MODULES / folder_name(variant.hub_name)
    source, card = ((folder / name).read_text(encoding="utf-8") for name in ("module.py", "README.md"))
    assert (source, card) == variant_sources(variant), "run: paddle-wwm hub build --write-sources"
    assert len(source.splitlines()) < 25 and module_info(source, path=folder)["name"] == variant.hub_name
    for text in (
        variant.source,
        variant.licence,
        str(variant.config.num_hidden_layers),
        f"{variant.config.vocab_size:,}",
        "all network interfaces",
    ):
        assert text in card


def test_a_model_of_other_sizes_needs_allow_other_sizes_and_the_card_reports_it(weights, tmp_path):
    with pytest.raises(
        HubModuleError,
        match=r"is not rbt3: vocab_size is \d+, not 21128; hidden_size is 16, not 768; .*--allow-other-sizes",
    ):
        build(weights, tmp_path, name="rbt3")
    assert not list(tmp_path.iterdir())
    built = build(weights, tmp_path, name="rbt3", allow_other_sizes=True)
    assert "not the real rbt3" in built.notes[0]
    assert "**Not the published model**" in (built.directory / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "alias", ["hfl/chinese-roberta-wwm-ext", "roberta-wwm-ext-chinese", "chinese_roberta_wwm_ext_L-12_H-768_A-12"]
)
def test_another_name_of_a_model_builds_its_module_with_a_note(tmp_path, alias):
    built = build(None, tmp_path, name=alias)
    assert (built.name, built.archive.name) == ("chinese-roberta-wwm-ext", f"chinese-roberta-wwm-ext-{VERSION}.tar")
    assert f"{alias} is another name of chinese-roberta-wwm-ext" in built.notes[0]


def test_a_module_without_weights_is_small_and_needs_a_model_of_the_table(tmp_path):
    assert build(None, tmp_path, name="rbt3").archive.stat().st_size < 620_000  # code only
    with pytest.raises(HubModuleError, match="only a model of the table can be built without weights"):
        build(None, tmp_path, name="mine")


def test_the_real_vocabulary_and_sizes_match_the_variant(shared_data, mini_vocab, tmp_path):
    from paddle_wwm.hub.checks import SERIES_VOCAB_SHA256, _deviations
    from paddle_wwm.tokenization.vocab import load_vocab

    sha256, config = load_vocab(shared_data / "vocab" / "vocab.txt").sha256, find_variant("rbt3").config
    assert sha256 == SERIES_VOCAB_SHA256
    assert _deviations(find_variant("rbt3"), config=config, vocab_sha256=sha256, do_lower_case=True) == []
    assert (
        len(_deviations(find_variant("rbt4"), config=config, vocab_sha256=mini_vocab.sha256, do_lower_case=False)) == 3
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda arrays: arrays.pop("bert.encoder.layers.1.norm1.weight"),
            "missing: bert.encoder.layers.1.norm1.weight",
        ),
        (lambda arrays: arrays.update({"bert.x": np.zeros(1, np.float32)}), "unexpected: bert.x"),
        (
            lambda arrays: arrays.update({"bert.embeddings.layer_norm.bias": np.zeros(3, np.float32)}),
            r"misshaped: bert.embeddings.layer_norm.bias \(3,\)",
        ),
        (
            lambda arrays: arrays["bert.embeddings.layer_norm.bias"].fill(np.nan),
            "layer_norm.bias holds values that are not finite",
        ),
    ],
)
def test_incomplete_weights_are_refused_and_nothing_is_written(weights, tmp_path, change, message):
    folder = shutil.copytree(weights, tmp_path / "weights")
    arrays = {name: array.copy() for name, array in read_pdparams(folder / "model_state.pdparams").items()}
    change(arrays)
    write_pdparams(folder / "model_state.pdparams", arrays)
    with pytest.raises(CheckpointError, match=message):
        build(folder, tmp_path / "dist", name="mine")
    assert not (tmp_path / "dist").exists()


def test_building_again_replaces_the_old_module(weights, tmp_path):
    first = build(weights, tmp_path)
    (first.directory / "stale.txt").write_text("x")
    assert build(weights, tmp_path).sha256 == first.sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [first.directory.name, first.archive.name, f"{first.archive.name}.sha256"]
    )


def test_the_demonstration_is_described_as_one(weights, tmp_path):
    built = build(weights, tmp_path)
    assert "demonstration" in (built.directory / "README.md").read_text(encoding="utf-8").lower()
    assert "demonstration" in (built.directory / "module.py").read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("name", ["Chinese", "a/b", "../x", "a b", "", "a--b"])
def test_an_invalid_name_is_refused(weights, tmp_path, name):
    with pytest.raises(HubModuleError, match="`name` must be"):
        build(weights, tmp_path, name=name)


def test_an_invalid_version_is_refused(weights, tmp_path):
    with pytest.raises(HubModuleError, match="`version` must have the form 1.2.3"):
        build(weights, tmp_path, name="mine", version="1.0")


def test_a_folder_without_weights_is_refused_and_nothing_is_written(tmp_path):
    (tmp_path / "weights").mkdir()
    with pytest.raises((CheckpointError, DataError)):
        build(tmp_path / "weights", tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def test_a_folder_that_is_not_a_module_is_not_overwritten(weights, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("weeks of work")
    with pytest.raises(HubModuleError, match="is not a hub module"):
        build(weights, tmp_path, name="mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "weeks of work"


USE = (
    "import paddlehub as hub\n"
    "module = hub.Module(name={name!r}, task='fill-mask')\n"
    "result = module.predict(['使用语言[MASK]型'])\n"
    "print(len(result[0]['masks'][0]), module.get_embedding(['使用', '语言']).shape, module.version)\n"
)


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("form", ["archive", "folder"])
def test_hub_install_and_hub_module_work_without_paddle_wwm(weights, bare, tmp_path, form):
    built = build(weights, tmp_path / "dist")
    source = built.archive if form == "archive" else built.directory
    installed = bare.run([bare.hub, "install", str(source)], hub_home=tmp_path / "hub", cwd=tmp_path)
    assert installed.returncode == 0 and "Successfully installed" in installed.stdout + installed.stderr
    used = bare.run(USE.format(name=DEMO), hub_home=tmp_path / "hub", cwd=tmp_path)
    assert used.returncode == 0, used.stderr
    assert used.stdout.splitlines()[-1] == f"5 (2, 16) {VERSION}"


@pytest.mark.integration
def test_a_new_version_in_the_same_process_runs_its_own_code(weights, bare, tmp_path):
    first = build(weights, tmp_path / "dist1", name="mine", version="1.0.0")
    second = build(weights, tmp_path / "dist2", name="mine", version="1.1.0")
    code = (
        second.directory
        / next(path.name for path in second.directory.iterdir() if path.name.startswith("wwm_"))
        / "tasks"
        / "hidden_states.py"
    )
    renamed = code.parents[1].with_name("wwm_000000000000")
    code.write_text(
        code.read_text(encoding="utf-8").replace('POOLINGS = ("cls"', 'POOLINGS = ("newest", "cls"'), encoding="utf-8"
    )
    module = second.directory / "module.py"
    module.write_text(module.read_text(encoding="utf-8").replace(code.parents[1].name, renamed.name), encoding="utf-8")
    code.parents[1].rename(renamed)
    script = (
        "import paddlehub as hub\n"
        "from paddlehub.module.manager import LocalModuleManager\n"
        "manager = LocalModuleManager()\n"
        f"for directory in ({str(first.directory)!r}, {str(second.directory)!r}):\n"
        "    manager.install(directory=directory)\n"
        "    module = hub.Module(name='mine')\n"
        "    try: module.get_embedding(['x'], pooling='no such')\n"
        "    except Exception as error: print(module.version, 'newest' in str(error))\n"
    )
    used = bare.run(script, hub_home=tmp_path / "hub", cwd=tmp_path)
    assert used.returncode == 0, used.stderr
    assert [line for line in used.stdout.splitlines() if line.startswith("1.")] == ["1.0.0 False", "1.1.0 True"]
