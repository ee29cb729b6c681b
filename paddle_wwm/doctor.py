"""Check the installation for `paddle-wwm doctor`. Every failed check names the command that fixes it.

Packages that pip accepts together can still fail to import, and some crash the process instead of raising. So each
import is tried in a process of its own. The checks get their input as arguments; only `collect` inspects the machine.
This module imports the standard library only, because it must run when nothing else does.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import importlib.metadata
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Mapping, Sequence

from .paddlehub_requests import description, hub_home
from .requirements import REQUIREMENTS

# A checkout has a Makefile next to the package. An installed wheel does not: there, pip installs missing packages.
IN_CHECKOUT = os.path.isfile(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Makefile"))


def remedies(*, in_checkout: bool, python: str) -> tuple[str, str, str]:
    """Return the commands that fix an installation.

    Returns:
        The command that adds missing packages, the one that installs everything again, and the one that does so with
        another Python.
    """
    if in_checkout:
        return "make -B setup", "make distclean setup", "make distclean setup PYTHON=python3.11"
    pins = 'export PIP_CONSTRAINT="$PWD/constraints.txt" PIP_BUILD_CONSTRAINT="$PWD/constraints.txt"'
    from_nothing = f"{pins}; python3.11 -m venv --clear env && env/bin/python -m pip install paddle_wwm-*.whl"
    return f"{pins}; {python} -m pip install paddle_wwm-*.whl", from_nothing, from_nothing


SET_UP_AGAIN, FROM_NOTHING, OTHER_PYTHON = remedies(in_checkout=IN_CHECKOUT, python=shlex.quote(sys.executable))
INSTALL_LIBRARIES = "apt-get install -y libgomp1 libgl1 libglib2.0-0"
EXAMPLE_WORDS = "使用|语言|模型|来|预测|下一个|词|的|probability|。"


# Not keyword-only: the doctor must also run on a Python that is too old for this project.
@dataclass(frozen=True)
class Finding:
    """One line of the report. `remedy` is one command; it is empty if `ok` is True."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


# (package to keep, package to remove, folder that both write). The package that was installed last overwrites the
# other, and removing either one breaks the other.
CLASHES: tuple[tuple[str, str, str], ...] = (
    ("opencv-python", "opencv-python-headless", "cv2"),
    ("opencc-python-reimplemented", "opencc", "opencc"),
)
# Only opencv-python needs the libraries after the first one; its headless build does not.
LIBRARIES: tuple[tuple[str, str], ...] = (
    ("libgomp.so.1", "paddle is linked against it"),
    ("libGL.so.1", "paddlehub imports cv2, which is linked against it"),
    ("libgthread-2.0.so.0", "paddlehub imports cv2, which is linked against it"),
)
QUIETLY = "from paddle_wwm.quiet import quiet_environment; quiet_environment(); "
IMPORTS: tuple[tuple[str, str, str, str], ...] = (
    # import name, package name, code, why; the slowest import comes first, so that the others run in parallel with it
    (
        "paddlehub",
        "paddlehub",
        QUIETLY + "import paddlehub; paddlehub.Module",
        "it installs and loads hub modules",
    ),
    ("paddlenlp", "paddlenlp", QUIETLY + "import paddlenlp", "paddlehub imports it"),
    ("paddle", "paddlepaddle", QUIETLY + "import paddle", "models train and run on it"),
    (
        "LAC",
        "lac",
        "from paddle_wwm.corpus.lac import import_lac_package; import_lac_package()",
        "the segmenter is compared with it",
    ),
    ("numpy", "numpy", "import numpy", "everything uses it"),
)
SEGMENT = (
    "from paddle_wwm.corpus.segment import SegmenterConfig, make_segmenter, segment; "
    f"[s] = segment(make_segmenter(SegmenterConfig()), [{EXAMPLE_WORDS.replace('|', '')!r}]); "
    "print('|'.join(s.text[start:end] for start, end in s.word_spans))"
)


MEASURE = QUIETLY + (
    "import dataclasses, json; from paddle_wwm.cpu import use_fast_matmul; use_fast_matmul(); "
    "from paddle_wwm.pretraining.capacity import describe_capacity, measure; capacity = measure(); "
    "print(json.dumps({'values': dataclasses.asdict(capacity), 'lines': describe_capacity(capacity)}))"
)


@dataclass(frozen=True)
class Run:
    """Result of a child process. `returncode` is None after a timeout."""

    returncode: int | None
    stdout: str
    stderr: str
    seconds: float


def run_python(code: str, timeout_s: float = 300) -> Run:
    """Run code in a new process of this Python."""
    command, start = [sys.executable, "-X", "utf8", "-c", code], time.monotonic()
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=timeout_s,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Run(None, "", "", time.monotonic() - start)
    return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - start)


def check_python(version: Sequence[int]) -> Finding:
    """Check that Python is 3.11 or 3.12."""
    text = ".".join(str(number) for number in version[:3])
    if (3, 11) <= tuple(version[:2]) <= (3, 12):
        return Finding("Python", True, f"{text}, {platform.platform()}")
    return Finding("Python", False, f"{text}, but numpy 1.26 and paddle need 3.11 or 3.12", OTHER_PYTHON)


def check_library(name: str, why: str, loader: Callable[[str], Any]) -> Finding:
    """Check that a shared library of the system can be loaded."""
    try:
        loader(name)
    except OSError as error:
        return Finding(name, False, f"not loaded ({error}); {why}", INSTALL_LIBRARIES)
    return Finding(name, True, "found")


def check_versions(versions: Mapping[str, str], python: str = "python") -> list[Finding]:
    """Check that every package of REQUIREMENTS is installed in a version that works."""
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return [Finding("packaging", False, "not installed; it compares versions", SET_UP_AGAIN)]
    findings = []
    for package, bounds, why in REQUIREMENTS:
        found = versions.get(package)
        if found is None:
            findings.append(Finding(package, False, f"not installed; {why}", SET_UP_AGAIN))
        elif not SpecifierSet(bounds).contains(found, prereleases=True):
            findings.append(
                Finding(
                    package,
                    False,
                    f"{found}, but {bounds} is needed: {why}",
                    f"{python} -m pip install '{package}{bounds}'",
                )
            )
        else:
            findings.append(Finding(package, True, found))
    return findings


def check_clashes(versions: Mapping[str, str], python: str = "python") -> list[Finding]:
    """Check that cv2 is installed, and that no two packages write the same folder."""
    findings = []
    for keep, remove, folder in CLASHES:
        if keep in versions and remove in versions:
            remedy = (
                f"{python} -m pip uninstall -y {remove} && {python} -m pip install --force-reinstall --no-deps "
                f"{keep}=={versions[keep]}"
            )
            detail = f"{keep} and {remove} both write the folder {folder}; keep only one of them"
            findings.append(Finding(folder, False, detail, remedy))
    if not versions.keys() & {"opencv-python", "opencv-python-headless"}:
        findings.append(
            Finding(
                "cv2",
                False,
                "neither opencv-python nor opencv-python-headless is installed; paddlehub imports cv2",
                SET_UP_AGAIN,
            )
        )
    return findings


def check_import(name: str, run: Run, version: str = "", why: str = "") -> Finding:
    """Check that a package could be imported in a process of its own."""
    if run.returncode == 0:
        return Finding(f"import {name}", True, f"{version} in {run.seconds:.1f} s")
    return Finding(f"import {name}", False, f"{how_it_failed(run)}; {why}", remedy_of(run))


def check_segmentation(run: Run) -> Finding:
    """Check that this project's segmenter returned the expected words of the example."""
    words = run.stdout.strip()
    if run.returncode == 0 and words == EXAMPLE_WORDS:
        return Finding("LAC segmentation", True, words)
    detail = f"{words!r}, but {EXAMPLE_WORDS} is expected" if run.returncode == 0 else how_it_failed(run)
    return Finding("LAC segmentation", False, f"{detail}; whole word masking needs it", remedy_of(run))


def how_it_failed(run: Run) -> str:
    """Return the exception, the signal or the timeout as one line."""
    if run.returncode is None:
        return f"did not finish within {run.seconds:.0f} s"
    if run.returncode < 0:
        return f"crashed with {signal.Signals(-run.returncode).name}"
    return next(
        (line.strip() for line in reversed(run.stderr.splitlines()) if line.strip()),
        f"ended with status {run.returncode}",
    )


def remedy_of(run: Run) -> str:
    """Return the command that fixes a failed import.

    A missing package can be added. A broken one is fixed only by a new installation.
    """
    return SET_UP_AGAIN if "ModuleNotFoundError" in run.stderr else FROM_NOTHING


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of the given packages, without those that are not installed."""
    versions = {}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


def collect() -> list[Finding]:
    """Run all checks on this machine and return the findings in report order."""
    python = shlex.quote(sys.executable)
    versions = installed_versions(
        [row[0] for row in REQUIREMENTS] + [package for row in CLASHES for package in row[:2]]
    )
    findings = [check_python(sys.version_info[:3]), *check_versions(versions, python), *check_clashes(versions, python)]
    if sys.platform == "linux":
        needed = LIBRARIES if "opencv-python" in versions else LIBRARIES[:1]
        findings += [check_library(name, why, ctypes.CDLL) for name, why in needed]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(run_python, code) for _, _, code, _ in IMPORTS]
        segmentation = pool.submit(run_python, SEGMENT)
    for (name, package, _, why), run in zip(IMPORTS, runs):
        findings.append(check_import(name, run.result(), versions.get(package, ""), why))
    findings.append(Finding("PaddleHub's requests", True, description(hub_home())))
    return [*findings, check_segmentation(segmentation.result())]


def measured() -> dict[str, Any]:
    """Measure what this machine can do, in about 20 seconds.

    Returns:
        `values` of the measurements and `lines` that describe them. After a failure, `values` is empty.
    """
    run = run_python(MEASURE)
    try:
        return dict(json.loads(run.stdout.splitlines()[-1]))
    except (ValueError, IndexError):
        return {"values": {}, "lines": [f"This machine could not be measured: {how_it_failed(run)}"]}


def report(findings: Sequence[Finding]) -> str:
    """Format the findings as an aligned list, each remedy at the end of its line."""
    width = max(len(finding.name) for finding in findings)
    return "\n".join(
        f"{'ok' if finding.ok else 'FAIL':4}  {finding.name:{width}}  {finding.detail}"
        + (f". Fix it: {finding.remedy}" if finding.remedy else "")
        for finding in findings
    )


if __name__ == "__main__":
    from paddle_wwm.cli.main import main

    main(["doctor", *sys.argv[1:]])
