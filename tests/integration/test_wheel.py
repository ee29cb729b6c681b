"""The files in the wheel are enough: run `make dist`, then use the wheel in a new environment outside any checkout.

The environment borrows the packages of the test session, except paddle_wwm, so it takes seconds. `make wheel-check`
does the same with newly installed packages, for every Python.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Iterator

import pytest

from ..wheel import journey
from ..wheel.air_gapped import way_to_unshare
from ..wheel.check import version_of
from ..wheel.journey import Installation

pytestmark = [pytest.mark.integration, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("Makefile", "MANIFEST.in", "setup.py", "pyproject.toml", "constraints.txt", "LICENSE", "README.md")
NAMESPACE = """\
import socket
from tests.wheel.air_gapped import is_cut_off, raise_loopback
raise_loopback()
assert is_cut_off()
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname(), timeout=5).close()
print("loopback only")
"""
FEW_STEPS = ("phases.0.num_steps=20", "phases.0.num_warmup_steps=2", "runtime.evaluate_every_steps=20")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run `make dist` in a copy of the sources and return its dist/ folder."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in (*SOURCES, "README.zh.md"):
        shutil.copy(ROOT / name, checkout / name)
    shutil.copytree(ROOT / "paddle_wwm", checkout / "paddle_wwm", ignore=shutil.ignore_patterns("__pycache__"))
    # Stale build products must not reach the wheel
    (checkout / "build/lib/paddle_wwm").mkdir(parents=True)
    (checkout / "build/lib/paddle_wwm/stale.py").write_text("", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    subprocess.run(["make", "dist", f"PY={sys.executable}"], cwd=checkout, check=True, timeout=300, env=environment)
    return checkout / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    """Return the wheel in dist/."""
    [path] = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Make an environment with the wheel and the packages of the session, but without its paddle_wwm."""
    root = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root / "env")], check=True, timeout=120)
    pip = [sys.executable, "-m", "pip", "--python", str(root / "env" / "bin" / "python"), "install", "--quiet"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, timeout=120, env=environment)
    [site] = (root / "env" / "lib").glob("python*/site-packages")
    assert (site / "paddle_wwm" / "__init__.py").is_file()
    # Folders named in a .pth file are plain folders: their own .pth files, such as that of an editable installation,
    # have no effect. Python 3.12 has no distutils, so this line adds it, like the .pth file of setuptools.
    borrowed = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    distutils = "import _distutils_hack; _distutils_hack.add_shim()"
    (site / "borrowed.pth").write_text("\n".join([*borrowed, distutils, ""]), encoding="utf-8")
    (root / "work").mkdir()
    yield Installation(environment=root / "env", folder=root / "work", hub_home=root / "hub")
    shutil.rmtree(root / "env")


def test_the_wheel_contains_all_modules_recipes_the_sample_corpus_and_the_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "paddle_wwm").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert package - names == set()
    assert [name for name in names - package if ".dist-info/" not in name] == []
    assert "paddle_wwm/recipes/quickstart.yaml" in names and "paddle_wwm/py.typed" in names
    assert any(name.endswith("LICENSE") for name in names)


def test_the_source_archive_contains_constraints_readme_and_licence(dist: Path) -> None:
    [path] = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expected = {*SOURCES, "README.zh.md"} - {"Makefile"}
    assert expected - names == set()


def test_the_metadata_names_the_version_the_pythons_and_the_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    [info] = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    metadata = archive.read(f"{info}/METADATA").decode()
    version = ast.literal_eval((ROOT / "paddle_wwm/version.py").read_text(encoding="utf-8").rpartition("= ")[2].strip())
    assert re.search(rf"^Version: {re.escape(version)}$", metadata, re.MULTILINE)
    assert sorted(re.search(r"^Requires-Python: (.+)$", metadata, re.MULTILINE)[1].split(",")) == ["<3.13", ">=3.11"]
    assert "paddle-wwm = paddle_wwm.cli.main:main" in archive.read(f"{info}/entry_points.txt").decode()


def test_the_installed_wheel_pretrains_prepares_converts_fine_tunes_and_builds_hub_modules(
    installation: Installation,
) -> None:
    def pretrain(installation: Installation) -> None:
        journey.pretrain(installation, *FEW_STEPS)

    journey.walk(installation, (journey.help_text, pretrain, *journey.AFTER_PRETRAINING))


@pytest.mark.parametrize("python", ["python3.11", "python3.12"])
def test_every_module_of_the_wheel_compiles_without_a_warning_on(python: str, wheel: Path, tmp_path: Path) -> None:
    if version_of(python) is None:
        pytest.skip(f"{python} is not installed here")
    zipfile.ZipFile(wheel).extractall(tmp_path)
    command = [python, "-W", "error", "-m", "compileall", "-q", str(tmp_path / "paddle_wwm")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_python_that_does_not_exist_has_no_version() -> None:
    assert version_of("python3.99") is None
    assert version_of(sys.executable) == ".".join(map(str, sys.version_info[:3]))


def test_the_namespace_of_the_air_gapped_check_has_only_the_loopback_interface() -> None:
    way = way_to_unshare()
    if way is None:
        pytest.skip("this system does not permit network namespaces (`unshare --net true` fails)")
    command = [*way, sys.executable, "-c", NAMESPACE]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.stdout == "loopback only\n", result.stderr
