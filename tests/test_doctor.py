"""The doctor: each kind of broken installation is recognised and has a remedy; a good one passes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from paddle_wwm import doctor
from paddle_wwm.cli.main import load, make_parser, parse
from paddle_wwm.doctor import (
    Finding,
    Run,
    check_clashes,
    check_import,
    check_library,
    check_python,
    check_segmentation,
    check_versions,
)

ROOT = Path(__file__).resolve().parent.parent
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
HEALTHY = {package: PINS.get(package.lower(), "26.0") for package, _, _ in doctor.REQUIREMENTS} | {
    "opencv-python": PINS["opencv-python"]
}


def only_failure(findings: list[Finding]) -> Finding:
    """Return the only finding that is not ok."""
    [failure] = [finding for finding in findings if not finding.ok]
    return failure


def test_the_pinned_versions_are_all_ok():
    findings = check_versions(HEALTHY) + check_clashes(HEALTHY)
    assert [finding for finding in findings if not finding.ok] == []
    assert [finding.name for finding in findings] == [package for package, _, _ in doctor.REQUIREMENTS]


@pytest.mark.parametrize(
    ("package", "version", "remedy"),
    [
        ("protobuf", "4.25.8", "pip install 'protobuf>=3.20.2,<4'"),
        ("numpy", "2.2.6", "pip install 'numpy>=1.26,<=1.26.4'"),
        ("aistudio-sdk", "0.3.0", "pip install 'aistudio-sdk<0.3'"),
        ("pyarrow", "26.0.0", "pip install 'pyarrow<26'"),
        ("paddlepaddle", "2.6.2", "pip install 'paddlepaddle>=3.3.1,<3.4'"),
        ("setuptools", "82.0.0", "pip install 'setuptools<82'"),
    ],
)
def test_a_version_out_of_bounds_is_reported_with_bound_and_command(package, version, remedy):
    failure = only_failure(check_versions({**HEALTHY, package: version}, python="/opt/python"))
    assert failure.name == package
    assert failure.detail.startswith(f"{version}, but ")
    assert failure.remedy == f"/opt/python -m {remedy}"


@pytest.mark.parametrize("package", [package for package, _, _ in doctor.REQUIREMENTS])
def test_a_missing_package_is_fixed_by_installing_again(package):
    failure = only_failure(check_versions({name: version for name, version in HEALTHY.items() if name != package}))
    assert (failure.name, failure.remedy) == (package, "make -B setup")
    assert failure.detail.startswith("not installed; ")


@pytest.mark.parametrize(
    ("package", "version"),
    [
        ("paddlepaddle", "3.3.1.post1"),
        ("paddlenlp", "3.0.0"),
        ("aistudio-sdk", "0.2.10"),
        ("safetensors", "0.10.0"),
        ("pip", "0.0.1"),
    ],
)
def test_a_version_within_its_bounds_is_ok(package, version):
    assert all(finding.ok for finding in check_versions({**HEALTHY, package: version}))


def test_without_packaging_only_packaging_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "packaging.specifiers", None)
    [finding] = check_versions(HEALTHY)
    assert (finding.name, finding.ok, finding.remedy) == ("packaging", False, "make -B setup")


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 9)])
def test_python_3_11_and_3_12_are_ok(version):
    assert check_python(version).ok


@pytest.mark.parametrize("version", [(3, 10, 13), (3, 13, 0), (2, 7, 18)])
def test_another_python_is_fixed_by_a_new_environment(version):
    finding = check_python(version)
    assert not finding.ok
    assert finding.remedy == "make distclean setup PYTHON=python3.11"


def test_an_installed_wheel_is_fixed_by_pip_not_by_make():
    commands = doctor.remedies(in_checkout=False, python="/opt/python")
    assert commands[0].endswith("; /opt/python -m pip install paddle_wwm-*.whl")
    assert [command for command in commands if "make" in command or "pip install paddle_wwm-*.whl" not in command] == []


@pytest.mark.parametrize("library", [name for name, _ in doctor.LIBRARIES])
def test_a_missing_system_library_is_reported_with_its_packages(library):
    def loader(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file: No such file or directory")

    finding = check_library(library, "cv2 is linked against it", loader)
    assert not finding.ok
    assert library in finding.detail and "cv2 is linked against it" in finding.detail
    assert finding.remedy == "apt-get install -y libgomp1 libgl1 libglib2.0-0"


def test_a_library_that_loads_is_ok():
    assert check_library("libgomp.so.1", "", lambda name: None) == Finding("libgomp.so.1", True, "found")


def test_missing_opencv_is_reported():
    failure = only_failure(check_clashes({}))
    assert failure.name == "cv2" and "neither opencv-python nor" in failure.detail
    assert failure.remedy == "make -B setup"


def test_headless_opencv_alone_is_ok():
    assert check_clashes({"opencv-python-headless": "4.11.0.86"}) == []


@pytest.mark.parametrize(
    ("keep", "remove"), [("opencv-python", "opencv-python-headless"), ("opencc-python-reimplemented", "opencc")]
)
def test_two_packages_in_one_folder_are_fixed_by_removing_one_and_reinstalling_the_other(keep, remove):
    failure = only_failure(check_clashes({"opencv-python": "4.11.0.86", keep: "1.0", remove: "2.0"}, python="python"))
    assert keep in failure.detail and remove in failure.detail
    assert (
        failure.remedy
        == f"python -m pip uninstall -y {remove} && python -m pip install --force-reinstall --no-deps {keep}==1.0"
    )


@pytest.mark.parametrize(
    ("run", "detail", "remedy"),
    [
        (
            Run(1, "", "Traceback\n  ...\nModuleNotFoundError: No module named 'x'\n", 0.1),
            "ModuleNotFoundError: No module",
            "make -B setup",
        ),
        (
            Run(1, "", "TypeError: Descriptors cannot be created directly.\n", 0.1),
            "TypeError: Descriptors cannot be",
            "make distclean setup",
        ),
        (Run(-11, "", "", 0.1), "crashed with SIGSEGV", "make distclean setup"),
        (Run(None, "", "", 300.0), "did not finish within 300 s", "make distclean setup"),
        (Run(3, "", "", 0.1), "ended with status 3", "make distclean setup"),
    ],
)
def test_a_failed_import_is_reported_in_one_line(run, detail, remedy):
    for finding in (check_import("paddle", run, "3.3.1", "models train and run on it"), check_segmentation(run)):
        assert not finding.ok
        assert finding.detail.startswith(detail) and "\n" not in finding.detail
        assert finding.remedy == remedy


def test_a_successful_import_is_reported_with_version_and_time():
    assert check_import("paddle", Run(0, "", "", 1.26), "3.3.1") == Finding("import paddle", True, "3.3.1 in 1.3 s")


def test_a_crash_or_hang_of_a_child_process_is_a_finding():
    crash = doctor.run_python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert check_import("x", crash).detail.startswith("crashed with SIGSEGV")
    hang = doctor.run_python("import time; time.sleep(60)", timeout_s=0.5)
    assert check_import("x", hang).detail.startswith("did not finish")


def test_unexpected_words_of_the_segmenter_are_a_failure():
    wrong = check_segmentation(Run(0, "使用|语言模型\n", "", 1.0))
    assert not wrong.ok and "下一个" in wrong.detail and wrong.remedy
    assert check_segmentation(Run(0, doctor.EXAMPLE_WORDS + "\n", "", 1.0)).ok


@pytest.mark.parametrize(("ok", "status"), [(True, 0), (False, 1)])
def test_exit_status_and_json_show_if_all_checks_passed(ok, status, monkeypatch, capsys):
    findings = [
        Finding("a", True, "found"),
        Finding("long name", ok, "there" if ok else "gone", "" if ok else "make -B setup"),
    ]
    monkeypatch.setattr(doctor, "collect", lambda: findings)
    monkeypatch.setattr(doctor, "measured", lambda: {"values": {"num_cores": 2}, "lines": ["This machine: 2 cores"]})
    command = load("doctor")
    assert command.run(parse("doctor", [])) == status
    marks = [line.split("  ")[0].strip() for line in capsys.readouterr().out.splitlines()[:2]]
    assert marks == ["ok", "ok" if ok else "FAIL"]
    assert command.run(parse("doctor", [])) == status
    assert ("This machine: 2 cores" in capsys.readouterr().out) is ok  # measured only if all checks are ok
    assert command.run(parse("doctor", ["--quick"])) == status
    assert "This machine" not in capsys.readouterr().out
    assert command.run(parse("doctor", ["--json"])) == status
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is ok and answer.get("capacity") == ({"num_cores": 2} if ok else None)
    assert answer["findings"][1] == {
        "name": "long name",
        "ok": ok,
        "detail": "there" if ok else "gone",
        "remedy": "" if ok else "make -B setup",
    }


def test_a_measurement_that_fails_says_why_and_fails_no_check(monkeypatch):
    monkeypatch.setattr(doctor, "MEASURE", "raise MemoryError('too large')")
    assert doctor.measured() == {
        "values": {},
        "lines": ["This machine could not be measured: MemoryError: too large"],
    }


def test_the_report_is_aligned_and_failures_end_with_their_remedy():
    lines = doctor.report(
        [Finding("a", True, "found"), Finding("long name", False, "gone", "make -B setup")]
    ).splitlines()
    assert lines == ["ok    a          found", "FAIL  long name  gone. Fix it: make -B setup"]


def test_the_help_explains_remedies_and_exit_status():
    text = make_parser("doctor").format_help()
    assert "--json" in text and "Exit status" in text and "make setup" in text


@pytest.mark.slow
def test_the_doctor_passes_on_this_installation():
    command = [sys.executable, "-X", "utf8", "-m", "paddle_wwm.doctor", "--json"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=600, check=False)
    answer = json.loads(run.stdout)
    assert [finding for finding in answer["findings"] if not finding["ok"]] == []
    assert (run.returncode, answer["ok"], run.stderr) == (0, True, "")
    assert answer["capacity"]["characters_per_s"] > 0 and len(answer["capacity"]["recipes"]) >= 12
    assert answer["findings"][-1]["detail"] == "使用|语言|模型|来|预测|下一个|词|的|probability|。"
