"""What a module says about itself: licences, the source and checksum of its weights, its version, its content."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from paddle_wwm.download.models import fetch
from paddle_wwm.errors import HubModuleError
from paddle_wwm.files import sha256_of_file
from paddle_wwm.hub.build import build_module
from paddle_wwm.hub.install import install_module
from paddle_wwm.hub.module_info import module_info, with_summary
from paddle_wwm.hub.sources import DEMO, version_of_the_project
from paddle_wwm.variants import VARIANTS
from paddle_wwm.version import __version__

from .conftest import rows_of

ROOT = Path(__file__).resolve().parents[2]
HUB = Path(sys.executable).with_name("hub")
VERSION = version_of_the_project(__version__)
# without weights: our code (also that of the child process that traces), LICENSE (11 KB), NOTICE, provenance.json
MAX_FILES, MAX_BYTES = 100, 620_000


def build(weights, output, **options):
    return build_module(**{"name": "mine", "weights": weights, "output": output, **options})


def read(built, name):
    return (built.directory / name).read_text(encoding="utf-8")


def provenance(built):
    return json.loads(read(built, "provenance.json"))


@pytest.mark.parametrize(
    ("package", "module"), [("0.2.0", "3.2.0"), ("0.2.1", "3.2.1"), ("0.10.0.dev1", "3.10.0"), ("1.0.0", "4.0.0")]
)
def test_the_version_of_our_modules_follows_the_package(package, module):
    assert version_of_the_project(package) == module


def test_all_our_modules_have_the_version_and_pages_and_commands_name_it():
    for path in (ROOT / "hub_modules").glob("*/module.py"):
        assert module_info(path.read_text(encoding="utf-8"), path=path)["version"] == VERSION
    names = "|".join([*(variant.hub_name for variant in VARIANTS), DEMO, r"\$\(DEMO\)"])
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("paddle_wwm/cli/*.py"), ROOT / "Makefile"]
    found = {
        (path.name, version)
        for path in pages
        for version in re.findall(rf"\b(?:{names})(?:-|==)(\d+\.\d+\.\d+)\b", path.read_text(encoding="utf-8"))
        if path.name != "CHANGELOG.md"
    }
    assert len(found) >= 5 and {version for _, version in found} == {VERSION}


def test_the_licence_in_the_package_is_that_of_the_project():
    assert (ROOT / "paddle_wwm" / "hub" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_every_archive_has_licence_notice_and_provenance(weights, tmp_path):
    for built in (build(weights, tmp_path), build(None, tmp_path, name="rbt3")):
        with tarfile.open(built.archive) as tar:
            files = {member.name.partition("/")[2] for member in tar if member.isfile()}
        assert {"LICENSE", "NOTICE", "provenance.json", "README.md", "SHA256SUMS"} < files
        assert "Apache-2.0" in read(built, "NOTICE") and provenance(built)["version"] == built.version
    assert len(files) <= MAX_FILES and built.archive.stat().st_size <= MAX_BYTES


def test_the_weights_are_described_by_their_checksum_and_sizes(weights, tmp_path):
    built = build(weights, tmp_path)
    digest = sha256_of_file(weights / "model_state.pdparams")
    assert provenance(built)["weights"]["sha256"] == digest and digest in read(built, "NOTICE")
    summary = module_info(read(built, "module.py"), path=built.directory)["summary"]
    assert digest in summary and "2 layers, hidden 16, 2 heads" in summary and "source not recorded" in summary
    parameters = int(re.search(r"([\d,]+) parameters without heads", summary)[1].replace(",", ""))
    assert 1_000 < parameters < 100_000


def test_the_content_hash_is_that_of_all_other_files(weights, tmp_path):
    first, second = build(weights, tmp_path / "a"), build(weights, tmp_path / "b", license="MIT")
    sums = [line for line in read(first, "SHA256SUMS").splitlines(True) if not line.endswith("  provenance.json\n")]
    content = hashlib.sha256("".join(sums).encode()).hexdigest()
    assert provenance(first)["content_sha256"] == content != provenance(second)["content_sha256"]


def test_a_model_of_other_sizes_is_not_described_as_the_published_one(weights, tmp_path):
    built = build(weights, tmp_path, name="rbt3", allow_other_sizes=True)
    summary = module_info(read(built, "module.py"), path=built.directory)["summary"]
    assert summary.startswith("Not the published RBT3") and "2 layers" in summary and "768" not in summary
    assert provenance(built)["licence_of_weights"] == "not stated"


def test_without_weights_the_source_is_where_they_will_come_from(tmp_path):
    built = build(None, tmp_path, name="hfl/rbt3")
    assert provenance(built)["weights"] == {
        "inside": False,
        "source": "hfl/rbt3",
        "revision": "main",
        "sha256": None,
        "converted_from": {},
    }
    assert "Apache-2.0 (as its authors state)" in read(built, "NOTICE")


def test_sources_of_your_own_keep_their_summary_or_need_none(weights, tmp_path):
    folder = tmp_path / "modules" / "mine"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("# mine\n")
    source = (ROOT / "hub_modules" / "rbt3" / "module.py").read_text(encoding="utf-8").replace('"rbt3"', '"mine"')
    for summary, expected in (
        ('summary="Of our team.",', "Of our team. Sizes: 2 layers"),
        ("", "mine. Sizes: 2 layers"),
    ):
        (folder / "module.py").write_text(re.sub(r"summary=.*", summary, source), encoding="utf-8")
        built = build(weights, tmp_path / "dist", modules=tmp_path / "modules", replace=True)
        assert module_info(read(built, "module.py"), path=folder)["summary"].startswith(expected)


# ---- Where weights come from


def test_downloaded_weights_name_repository_and_commit(weights, tmp_path):
    folder = fetch("someone/tiny", source=weights, home=tmp_path / "home")
    record = json.loads((folder / "source.json").read_text())
    built = build(folder, tmp_path / "file")
    assert provenance(built)["weights"]["source"] == f"the file {weights.name}"  # no path of this machine
    assert str(tmp_path) not in "".join(read(built, name) for name in ("NOTICE", "module.py", "provenance.json"))
    del record["from"]
    record |= {"repository": "someone/tiny", "commit": "0123456789abcdef0123456789abcdef01234567"}
    (folder / "source.json").write_text(json.dumps(record))
    built = build(folder, tmp_path / "hub")
    found = provenance(built)["weights"]
    assert (found["source"], found["revision"]) == ("someone/tiny", record["commit"])
    assert found["converted_from"] == {file["name"]: file["sha256"] for file in record["files"]}
    assert f"source someone/tiny; revision {record['commit']}" in read(built, "NOTICE")


def test_weights_that_changed_after_the_download_are_not_given_its_commit(weights, tmp_path):
    folder = fetch("someone/tiny", source=weights, home=tmp_path / "home")
    record = json.loads((folder / "source.json").read_text())
    record["stored_bytes"]["model_state.pdparams"] += 1
    (folder / "source.json").write_text(json.dumps(record))
    assert "changed after the download" in provenance(build(folder, tmp_path / "dist"))["weights"]["source"]


@pytest.mark.parametrize("name", ["source.json", "conversion.json"])
@pytest.mark.parametrize("record", [{}, {"source": "x", "stored_bytes": [], "files": 3, "from": 7}, {"files": [1]}])
def test_a_record_that_someone_changed_does_not_break_the_build(weights, tmp_path, name, record):
    folder = shutil.copytree(weights, tmp_path / "model")
    (folder / name).write_text(json.dumps(record))
    assert provenance(build(folder, tmp_path / "dist"))["weights"]["converted_from"] == {}


def test_the_assets_of_a_module_keep_their_source(weights, tmp_path):
    shutil.copytree(weights, tmp_path / "run" / "model")
    (tmp_path / "run" / "run.json").write_text("{}")
    first = build(tmp_path / "run" / "model", tmp_path / "first")
    second = build(first.directory / "assets", tmp_path / "second")
    assert provenance(second)["weights"] == provenance(first)["weights"]
    assert provenance(second)["weights"]["source"] == "pretrained by paddle_wwm from random values"


def test_the_model_of_a_run_names_the_run(weights, tmp_path):
    shutil.copytree(weights, tmp_path / "run" / "model")
    (tmp_path / "run" / "run.json").write_text(json.dumps({"init_sha256": "ab" * 32}))
    source = provenance(build(tmp_path / "run" / "model", tmp_path / "dist"))["weights"]["source"]
    assert source == f"pretrained by paddle_wwm from weights of sha256 {'ab' * 32}"


# ---- Licences


@pytest.mark.parametrize(
    ("given", "stated"),
    [
        (None, "not stated"),
        ("mit", "MIT"),
        ("Apache-2.0 OR MIT", "Apache-2.0 OR MIT"),
        ("LicenseRef-X", "LicenseRef-X"),
    ],
)
def test_the_licence_of_your_weights_is_what_you_state(weights, tmp_path, given, stated):
    built = build(weights, tmp_path, license=given)
    assert provenance(built)["licence_of_weights"] == stated
    for name in ("NOTICE", "README.md", "module.py"):
        assert stated in read(built, name)


def test_a_licence_can_be_a_file(weights, tmp_path):
    (tmp_path / "terms.txt").write_text("You may read it.\n", encoding="utf-8")
    built = build(weights, tmp_path / "dist", license=tmp_path / "terms.txt")
    assert read(built, "LICENSE.weights") == "You may read it.\n"
    assert provenance(built)["licence_of_weights"] == "see LICENSE.weights"


@pytest.mark.parametrize("given", ["proprietary", "", "terms.txt", "MIT AND", "MIT\nGPL"])
def test_an_unknown_licence_is_refused_before_anything_is_written(weights, tmp_path, given):
    with pytest.raises(HubModuleError, match="SPDX expression, such as .*but is"):
        build(weights, tmp_path / "dist", license=given)
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe\x00", b"x" * 200_001])
def test_a_file_that_cannot_be_a_licence_is_refused(weights, tmp_path, content):
    (tmp_path / "terms.txt").write_bytes(content)
    with pytest.raises(HubModuleError, match=r"terms.txt: "):
        build(weights, tmp_path / "dist", license=tmp_path / "terms.txt")
    assert not (tmp_path / "dist").exists()


def test_a_published_model_keeps_the_licence_of_its_authors(tmp_path):
    with pytest.raises(HubModuleError, match="rbt3 has the licence of its authors, Apache-2.0"):
        build(None, tmp_path, name="rbt3", license="MIT")


# ---- One version has one content


@pytest.mark.parametrize("form", ["both", "archive", "folder"])
def test_other_content_under_the_same_version_is_refused_without_replace(weights, tmp_path, form):
    first = build(weights, tmp_path)
    before = first.archive.read_bytes()
    if form == "archive":
        shutil.rmtree(first.directory)
    if form == "folder":
        first.archive.unlink()
    with pytest.raises(HubModuleError, match=r"mine 1\.0\.0 with other content.*--version.*--replace"):
        build(weights, tmp_path, license="MIT")
    assert first.archive.exists() is (form != "folder") and first.directory.exists() is (form != "archive")
    assert not first.archive.exists() or first.archive.read_bytes() == before
    assert build(weights, tmp_path, license="MIT", version="1.0.1").version == "1.0.1"
    replaced = build(weights, tmp_path, license="MIT", replace=True)
    assert replaced.sha256 == sha256_of_file(first.archive) != first.sha256


def test_other_content_under_the_installed_version_is_refused_without_replace(weights, tmp_path, monkeypatch):
    monkeypatch.setattr("paddle_wwm.hub.install._try_to_load", lambda *_, **__: None)
    home = tmp_path / "hub"
    first, other = build(weights, tmp_path / "1"), build(weights, tmp_path / "2", license="MIT")
    install_module(first.archive, home=home)
    with pytest.raises(HubModuleError, match=r"mine 1\.0\.0 is installed .*with other content.*--replace"):
        install_module(other.archive, home=home)
    assert "not stated" in (home / "modules" / "mine" / "NOTICE").read_text()
    assert install_module(other.archive, home=home, replace=True).changed
    assert "MIT" in (home / "modules" / "mine" / "NOTICE").read_text()


def test_the_commands_have_the_flag(weights, tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "paddle_wwm", "hub", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)

    command = ("build", "--name", "mine", "--weights", weights, "--output", tmp_path)
    assert run(*command).returncode == 0
    refused = run(*command, "--license", "MIT")
    assert refused.returncode == 2 and "with other content" in refused.stderr
    assert run(*command, "--license", "MIT", "--replace").returncode == 0


# ---- What `hub show` prints


@pytest.mark.slow
@pytest.mark.integration
def test_hub_show_prints_sizes_licence_and_source(weights, tmp_path):
    built = build(weights, tmp_path / "dist", license="CC-BY-4.0")
    environment = {**os.environ, "HUB_HOME": str(tmp_path / "hub"), "PYTHONWARNINGS": "ignore"}
    for command in (["install", str(built.archive)], ["show", "mine"]):
        done = subprocess.run(
            [HUB, *command], env=environment, capture_output=True, text=True, timeout=300, cwd=tmp_path
        )
    shown = rows_of(done.stdout)
    assert shown["Version"] == "1.0.0"
    for fact in ("2 layers, hidden 16", "weights CC-BY-4.0", sha256_of_file(weights / "model_state.pdparams")):
        assert fact in shown["Summary"]


@pytest.mark.parametrize(
    "arguments",
    [
        'name="x", version="1.0.0"',
        'name="x", summary=("a" "b"), version="1.0.0"',
        'name="中", summary="一\\"二", version="1"',
    ],
)
def test_the_summary_of_any_module_can_be_changed(arguments):
    source = f"# 注释\n@moduleinfo({arguments})\nclass Module:\n    summary = 1\n"
    changed = with_summary(source, 'new "words"\n', path=Path("module.py"))
    before, after = (module_info(text, path=Path("module.py")) for text in (source, changed))
    assert after == {**before, "summary": 'new "words"\n'} and changed.endswith("class Module:\n    summary = 1\n")
