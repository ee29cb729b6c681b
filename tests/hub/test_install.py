"""The safe installer: real processes that install while others load, and every kind of bad module."""

import os
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from paddle_wwm.errors import ArchiveError, HubModuleError
from paddle_wwm.hub import install
from paddle_wwm.hub.build import build_module
from paddle_wwm.hub.install import install_module

MODULES = Path(__file__).resolve().parents[2] / "hub_modules"


def build(weights, output, *, version="1.0.0"):
    return build_module(name="mine", weights=weights, output=output, modules=MODULES, version=version)


@pytest.fixture
def loads(monkeypatch):
    """Skip the trial load, which takes seconds. The tests with real processes include it."""
    monkeypatch.setattr(install, "_try_to_load", lambda *_, **__: None)


def version_in(home):
    return re.search(r'version="([\d.]+)"', (home / "modules" / "mine" / "module.py").read_text())[1]


@pytest.mark.parametrize("form", ["archive", "directory"])
def test_a_module_is_installed_replaced_and_recognised_as_installed(weights, tmp_path, loads, form):
    home = tmp_path / "hub"
    first, second = (build(weights, tmp_path / version, version=version) for version in ("1.0.0", "1.1.0"))
    assert install_module(getattr(first, form), home=home).changed
    assert not install_module(getattr(first, form), home=home).changed
    installed = install_module(getattr(second, form), home=home)
    assert (installed.changed, installed.version, version_in(home)) == (True, "1.1.0", "1.1.0")
    assert not list((home / ".paddle_wwm").glob("new-*")) and [path.name for path in (home / "modules").iterdir()] == [
        "mine"
    ]


def test_the_code_of_the_replaced_version_stays_for_processes_that_load_it(weights, tmp_path, loads):
    home, first = tmp_path / "hub", build(weights, tmp_path / "1")
    second = build(weights, tmp_path / "2", version="1.1.0")
    [code] = second.directory.glob("wwm_*")
    code.rename(code.with_name("wwm_000000000000"))
    source = second.directory / "module.py"
    source.write_text(source.read_text().replace(code.name, "wwm_000000000000"))
    (second.directory / "SHA256SUMS").unlink()
    for module in (first, second):
        install_module(module.directory, home=home)
    assert {path.name for path in (home / "modules" / "mine").glob("wwm_*")} == {code.name, "wwm_000000000000"}
    [replaced] = (home / ".paddle_wwm" / "replaced").iterdir()
    assert (replaced / "assets" / "model_state.pdparams").exists()


def pack(path, *members):
    with tarfile.open(path, "w") as tar:
        for name, source in members:
            tar.add(source, arcname=name)
    return path


def test_a_bad_source_is_refused_and_the_old_module_stays(weights, tmp_path, loads):
    home, built = tmp_path / "hub", build(weights, tmp_path / "dist")
    install_module(built.archive, home=home)
    folder = built.directory
    empty = tmp_path / "empty"
    empty.mkdir()
    torn = tmp_path / "torn.tar"
    torn.write_bytes(built.archive.read_bytes()[:-50_000])
    text = tmp_path / "text.tar"
    text.write_text("not an archive")
    changed = shutil.copytree(folder, tmp_path / "changed")
    (changed / "assets" / "vocab.txt").write_text("[PAD]\n")
    added = shutil.copytree(folder, tmp_path / "added")
    (added / "extra.py").write_text("x = 1\n")
    linked = shutil.copytree(folder, tmp_path / "linked")
    (linked / "passwords").symlink_to("/etc/passwd")
    wrong_sum = shutil.copy(built.archive, tmp_path / "wrong.tar")
    Path(f"{wrong_sum}.sha256").write_text("0" * 64 + "  wrong.tar\n")
    escaping = shutil.copytree(folder, tmp_path / "escaping")
    (escaping / "module.py").write_text((folder / "module.py").read_text().replace('name="mine"', 'name="../x"'))
    (escaping / "SHA256SUMS").unlink()
    cases = [
        (tmp_path / "nothing.tar", HubModuleError, "no such folder or archive"),
        (
            "hfl/chinese-bert-wwm",
            HubModuleError,
            "--name chinese-bert-wwm, and install that.*another name of chinese-bert-wwm",
        ),
        (empty, HubModuleError, "holds no module.py"),
        (torn, (ArchiveError, HubModuleError), "torn|damaged|incomplete|complete"),  # depends on the place of the cut
        (text, ArchiveError, "is not a complete zip or tar archive"),
        (
            built.archive.with_suffix(".tar.sha256"),
            HubModuleError,
            "the checksum of an archive; install the archive, .*tar",
        ),
        (
            pack(tmp_path / "two.tar", ("a", folder), ("b", folder)),
            HubModuleError,
            "holds one folder with module.py in it, but this one holds a, b",
        ),
        (
            pack(tmp_path / "flat.tar", ("module.py", folder / "module.py")),
            HubModuleError,
            "but this one holds module.py",
        ),
        (pack(tmp_path / "up.tar", ("../x/module.py", folder / "module.py")), ArchiveError, "outside of the folder"),
        (changed, HubModuleError, "differs from its SHA256SUMS: assets/vocab.txt"),
        (added, HubModuleError, "SHA256SUMS: extra.py"),
        (linked, HubModuleError, "passwords: is a link"),
        (wrong_sum, HubModuleError, "has sha256 [0-9a-f]{64}, but 0{64} was expected"),
        (escaping, HubModuleError, "cannot be a folder name"),
    ]
    for source, error, message in cases:
        with pytest.raises(error, match=message):
            install_module(source, home=home)
    assert version_in(home) == "1.0.0" and not install_module(built.archive, home=home).changed
    assert not list((home / ".paddle_wwm").glob("new-*"))


def command(home, *sources, **options):
    environment = {**os.environ, "HUB_HOME": str(home)}
    arguments = [sys.executable, "-m", "paddle_wwm.hub", "install", *map(str, sources)]
    return subprocess.Popen(
        arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )


@pytest.mark.integration
def test_a_full_disk_is_reported_and_the_old_module_stays(weights, tmp_path, loads):
    home, first = tmp_path / "hub", build(weights, tmp_path / "1")
    second = build(weights, tmp_path / "2", version="2.0.0")
    install_module(first.archive, home=home)
    limit = 20_000  # bytes per file; simulates a full disk
    process = command(
        home, second.archive, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 2 and re.search(r"error: .*File too large\. Nothing was changed", output), output
    assert version_in(home) == "1.0.0" and not list((home / ".paddle_wwm").glob("new-*"))


@pytest.mark.integration
@pytest.mark.slow
def test_a_new_version_that_does_not_load_leaves_the_old_one_installed(weights, tmp_path, loads):
    home, good = tmp_path / "hub", build(weights, tmp_path / "1")
    install_module(good.archive, home=home)
    broken = build(weights, tmp_path / "2", version="2.0.0").directory
    (broken / "SHA256SUMS").unlink()
    with open(broken / "module.py", "a", encoding="utf-8") as stream:
        stream.write("\nraise RuntimeError('broken on purpose')\n")
    process = command(home, broken)
    output, _ = process.communicate(timeout=600)
    assert (
        process.returncode == 2
        and "does not load here: RuntimeError: broken on purpose" in output
        and "still there" in output
    ), output
    assert version_in(home) == "1.0.0"


LOADER = """
import sys, time
from pathlib import Path
import paddlehub as hub
from paddlehub.module.module import Module
folder, stop, versions = sys.argv[1], Path(sys.argv[2]), set()
print("ready", flush=True)
while not stop.exists() or len(versions) < 1:
    for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        del sys.modules[name]
    kind = Module.load(folder)
    module = kind()
    assert module.get_embedding(["x"]).shape == (1, 16)
    versions.add(str(kind.version))
print(sorted(versions), flush=True)
"""


@pytest.mark.integration
@pytest.mark.slow
def test_eight_processes_install_while_others_load_and_none_fails(weights, tmp_path, loads):
    """Two versions with different code alternate.

    The first of the eight processes runs the trial load; the others find the module installed.
    """
    home, stop = tmp_path / "hub", tmp_path / "stop"
    modules = [build(weights, tmp_path / version, version=version) for version in ("1.0.0", "2.0.0")]
    [code] = modules[1].directory.glob("wwm_*")
    shutil.copytree(code, code.with_name("wwm_000000000000"))
    shutil.rmtree(code)
    source = modules[1].directory / "module.py"
    source.write_text(source.read_text().replace(code.name, "wwm_000000000000"))
    (modules[1].directory / "SHA256SUMS").unlink()
    install_module(modules[0].directory, home=home)
    environment = {**os.environ, "HUB_HOME": str(home)}
    arguments = [sys.executable, "-W", "ignore", "-c", LOADER, str(home / "modules" / "mine"), str(stop)]
    loaders = [
        subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for loader in loaders:
            assert loader.stdout.readline() == "ready\n", loader.stderr.read()
        installers = [command(home, modules[1].directory) for _ in range(8)]
        for installer in installers:
            output, _ = installer.communicate(timeout=600)
            assert installer.returncode == 0, output
            assert "mine 2.0.0" in output
        for number in range(40):  # as fast as possible, without the trial load
            install_module(modules[number % 2].directory, home=home)
        time.sleep(0.5)
    finally:
        stop.touch()
    for loader in loaders:
        output, errors = loader.communicate(timeout=300)
        assert loader.returncode == 0, errors
        assert "1.0.0" in output or "2.0.0" in output
