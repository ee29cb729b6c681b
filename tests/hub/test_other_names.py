"""Other names of a model: redirecting modules with the real `hub` command line, installing and uninstalling them."""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from paddle_wwm.errors import HubModuleError
from paddle_wwm.hub import install, redirects
from paddle_wwm.hub.build import build_module
from paddle_wwm.hub.install import install_module
from paddle_wwm.hub.redirects import Redirect, other_names, redirects_to, target_of_alias
from paddle_wwm.hub.sources import folder_name, version_of_the_project
from paddle_wwm.hub.uninstall import uninstall_module
from paddle_wwm.variants import VARIANTS, find_variant
from paddle_wwm.version import __version__

from .conftest import rows_of

HUB = Path(sys.executable).with_name("hub")
VERSION = version_of_the_project(__version__)
FOLDERS_OF_RBT3 = {"rbt3", "RBT3", "rbt3_chinese", "chinese_rbt3_L_3_H_768_A_12"}


@pytest.fixture(scope="module")
def archive(weights, tmp_path_factory):
    """Return the archive of a tiny model under the name rbt3."""
    output = tmp_path_factory.mktemp("dist")
    return build_module(name="rbt3", weights=weights, output=output, allow_other_sizes=True).archive


@pytest.fixture
def home(archive, tmp_path, monkeypatch):
    """Return a home with rbt3 and its other names, installed without the trial load."""
    monkeypatch.setattr(install, "_try_to_load", lambda *_, **__: None)
    install_module(archive, home=tmp_path / "hub")
    return tmp_path / "hub"


def folders(home):
    return {path.name for path in (home / "modules").iterdir()}


def run(*command, home):
    environment = {**os.environ, "HUB_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout + done.stderr


def test_each_model_has_the_names_that_users_write():
    assert set(other_names(find_variant("chinese-roberta-wwm-ext"))) == {
        "RoBERTa-wwm-ext",
        "roberta-wwm-ext",
        "roberta-wwm-ext-chinese",
        "chinese_roberta_wwm_ext_L-12_H-768_A-12",
    }
    assert {"RBT3", "rbt3-chinese"} < set(other_names(find_variant("rbt3")))
    for variant in VARIANTS:
        assert all(re.fullmatch(r"[\w-]+", alias, re.ASCII) for alias in other_names(variant))


def test_no_name_means_two_models():
    real = [folder_name(variant.hub_name) for variant in VARIANTS]
    other = [(folder_name(alias), variant.name) for variant in VARIANTS for alias in other_names(variant)]
    assert set(real).isdisjoint(folder for folder, _ in other)
    owners = {(folder.lower(), name) for folder, name in other}
    assert len(dict(owners)) == len(owners)
    assert target_of_alias("roberta-wwm-ext").name == "chinese-roberta-wwm-ext"
    assert target_of_alias("chinese-roberta-wwm-ext") is target_of_alias("none") is None


def test_installing_writes_the_other_names_and_uninstalling_removes_them(home, archive):
    assert folders(home) == FOLDERS_OF_RBT3
    again = install_module(archive, home=home)
    assert not again.changed and set(again.other_names) == {"RBT3", "rbt3-chinese", "chinese_rbt3_L-3_H-768_A-12"}
    done = uninstall_module("rbt3", home=home)
    assert {folder.name for folder in done.removed} == FOLDERS_OF_RBT3
    assert folders(home) == set() and not list((home / ".paddle_wwm").glob("new-*"))
    with pytest.raises(HubModuleError, match="rbt3: is not installed in"):
        uninstall_module("rbt3", home=home)


def test_another_name_is_removed_alone_and_the_other_names_of_a_removed_module_with_it(home):
    done = uninstall_module("RBT3", home=home)
    assert [folder.name for folder in done.removed] == ["RBT3"] and "hub uninstall rbt3" in done.notes[0]
    shutil.rmtree(home / "modules" / "rbt3")  # as PaddleHub's `hub uninstall rbt3` does
    assert {folder.name for folder in uninstall_module("rbt3", home=home).removed} == {
        "rbt3_chinese",
        "chinese_rbt3_L_3_H_768_A_12",
    }


@pytest.mark.parametrize("name", ["../modules/rbt3", "/etc", "..", "", "hfl/rbt3", "none"])
def test_uninstalling_a_name_that_is_not_installed_removes_nothing(home, name):
    with pytest.raises(HubModuleError, match="not installed|is not the name"):
        uninstall_module(name, home=home)
    assert folders(home) == FOLDERS_OF_RBT3


def test_a_module_that_is_not_installed_is_reported_without_making_folders(tmp_path):
    with pytest.raises(HubModuleError, match="is not installed"):
        uninstall_module("rbt3", home=tmp_path / "hub")
    assert not (tmp_path / "hub").exists()


def test_a_link_is_not_followed(home, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "module.py").write_text("x = 1\n")
    (home / "modules" / "linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HubModuleError, match="is a link"):
        uninstall_module("linked", home=home)
    assert (tmp_path / "elsewhere" / "module.py").exists()


FOREIGN = """
@moduleinfo(name="rbt3-chinese", version="1.0.0", author="someone", type="redirect/rbt3")
class Module:
    x = 1
"""


def a_file(place):
    place.write_text("a note")


def a_folder(place):
    place.mkdir()
    (place / "thesis.txt").write_text("weeks of work")


def a_foreign_module(place):
    place.mkdir()
    (place / "module.py").write_text(FOREIGN)


def a_dangling_link(place):
    place.symlink_to("nowhere")


@pytest.mark.parametrize("make", [a_file, a_folder, a_foreign_module, a_dangling_link])
def test_a_place_that_is_not_ours_is_never_overwritten_or_removed(archive, tmp_path, monkeypatch, make):
    monkeypatch.setattr(install, "_try_to_load", lambda *_, **__: None)
    home = tmp_path / "hub"
    place = home / "modules" / "rbt3_chinese"
    place.parent.mkdir(parents=True)
    make(place)
    installed = install_module(archive, home=home)
    assert "rbt3-chinese" not in installed.other_names and "rbt3_chinese is not ours" in installed.notes[0]
    assert redirects_to(place) is None
    uninstall_module("rbt3", home=home)
    assert os.path.lexists(place) and folders(home) == {"rbt3_chinese"}


def test_a_system_that_ignores_case_gets_no_second_folder(archive, tmp_path, monkeypatch):
    """The folder "rbt3" answers to "RBT3" there, so writing RBT3 would overwrite the module."""
    monkeypatch.setattr(install, "_try_to_load", lambda *_, **__: None)
    real = os.path.lexists
    monkeypatch.setattr(redirects.os.path, "lexists", lambda path: real(path) or Path(path).name == "RBT3")
    installed = install_module(archive, home=tmp_path / "hub")
    assert folders(tmp_path / "hub") == FOLDERS_OF_RBT3 - {"RBT3"} and installed.notes == ()


def test_the_other_names_follow_a_new_version(home, weights, tmp_path):
    module = (home / "modules" / "RBT3" / "module.py").read_text(encoding="utf-8")
    assert f'version="{VERSION}"' in module
    newer = shutil.copytree(home / "modules" / "rbt3", tmp_path / "newer")
    source = (newer / "module.py").read_text(encoding="utf-8").replace(VERSION, "99.0.0")
    (newer / "module.py").write_text(source, encoding="utf-8")
    (newer / "SHA256SUMS").unlink()
    assert install_module(newer, home=home).version == "99.0.0"
    assert 'version="99.0.0"' in (home / "modules" / "RBT3" / "module.py").read_text(encoding="utf-8")


def test_the_name_of_an_installed_model_writes_its_other_names(home):
    shutil.rmtree(home / "modules" / "RBT3")  # as PaddleHub's `hub uninstall RBT3` does
    installed = install_module("hfl/rbt3", home=home)
    assert (installed.name, installed.changed) == ("rbt3", False) and folders(home) == FOLDERS_OF_RBT3


def test_many_installers_at_once_leave_every_name_complete(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(install, "_try_to_load", lambda *_, **__: None)
    home = tmp_path / "hub"
    with ThreadPoolExecutor(8) as pool:
        installed = list(pool.map(lambda _: install_module(archive, home=home), range(16)))
    assert sum(one.changed for one in installed) == 1 and folders(home) == FOLDERS_OF_RBT3
    assert not list((home / ".paddle_wwm" / "replaced").iterdir())


def test_a_redirecting_module_has_its_licence_and_a_complete_list_of_checksums(tmp_path):
    folder = Redirect(alias="RBT3", name="rbt3", version="3.2.0").write(tmp_path)
    assert {path.name for path in folder.iterdir()} == {"module.py", "LICENSE", "NOTICE", "SHA256SUMS"}
    assert redirects_to(folder) == "rbt3"
    assert install_module(folder, home=tmp_path / "hub").name == "RBT3"


# PaddleHub loads the class again for every hub.Module, so the classes are compared by their module.
USE = """
import paddlehub as hub
plain = hub.Module(name="rbt3")
classifier = {"version": VERSION, "task": "seq-cls", "label_map": ["no", "yes"]}
for name, options in (("RBT3", {"task": "fill-mask"}), ("rbt3-chinese", classifier)):
    module = hub.Module(name=name, **options)
    is_real = (type(module).__module__, module.directory) == ("rbt3.module", plain.directory)
    print(is_real, module.name, module.version, module.task)
print(hub.Module(name="RBT3").get_embedding(["x"]).shape, list(module.label_map.values()))
"""


@pytest.mark.slow
@pytest.mark.integration
def test_hub_module_and_the_commands_of_paddlehub_work_with_another_name(home):
    used = run(sys.executable, "-c", USE.replace("VERSION", repr(VERSION)), home=home).splitlines()
    assert f"True rbt3 {VERSION} fill-mask" in used and f"True rbt3 {VERSION} seq-cls" in used
    assert "(1, 16) ['no', 'yes']" in used
    listed = rows_of(run(HUB, "list", home=home))
    assert {listed[name] for name in ("rbt3", "RBT3")} == {str(home / "modules" / name) for name in ("rbt3", "RBT3")}
    shown = rows_of(run(HUB, "show", "RBT3", home=home))
    assert "Another name of rbt3" in shown["Summary"] and shown["Location"] == str(home / "modules" / "RBT3")
    assert (shown["ModuleName"], shown["Version"]) == ("RBT3", VERSION)
    assert "embedding" in run(HUB, "run", "RBT3", "--input_text", "使用", home=home)
    assert "Successfully uninstalled RBT3" in run(HUB, "uninstall", "RBT3", home=home)
    assert folders(home) == FOLDERS_OF_RBT3 - {"RBT3"}


@pytest.mark.slow
@pytest.mark.integration
def test_another_name_without_its_module_names_the_command_that_installs_it(home):
    assert "Successfully uninstalled rbt3" in run(HUB, "uninstall", "rbt3", home=home)
    run(HUB, "config", "server==http://127.0.0.1:9", home=home)  # nothing listens there
    failed = run(sys.executable, "-c", "import paddlehub as hub; hub.Module(name='RBT3')", home=home)
    assert f"RBT3 is another name of rbt3, which is not installed in {home / 'modules'}" in failed
    assert f"hub install rbt3=={VERSION}" in failed.splitlines()[-1]
    assert all(name in run(HUB, "list", home=home) for name in ("RBT3", "rbt3-chinese"))


@pytest.mark.integration
def test_the_command_prints_what_it_removed(home):
    done = run(sys.executable, "-m", "paddle_wwm", "hub", "uninstall", "rbt3", "none", home=home)
    assert done.count("removed ") == len(FOLDERS_OF_RBT3) and "error: none: is not installed" in done
