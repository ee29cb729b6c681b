"""Check the wheel (`make wheel-check`): install it with its pinned packages in a new environment, one for each Python.

  python -m tests.wheel.check python3.11 python3.12 --wheel dist/paddle_wwm-….whl --constraints constraints.txt

The environments are outside the checkout. In each of them, it runs all steps of journey.py, including the whole quick
start. It skips a Python that is not installed, and prints that. The exit status is 1 if a step fails, or if all are
skipped.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import journey
from .journey import Installation, StepError


def version_of(python: str) -> str | None:
    """Return the version of a Python, such as "3.11.7", or None if it does not run here."""
    command = [python, "-c", "import venv, ensurepip, platform; print(platform.python_version())"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def install(python: str, environment: Path, *, wheel: Path, constraints: Path) -> None:
    """Make the environment and install the wheel, with the commands of the documentation."""
    subprocess.run([python, "-m", "venv", str(environment)], check=True)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables |= {name: str(constraints) for name in ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT")}
    command = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", str(wheel)]
    subprocess.run(command, check=True, cwd=environment, env=variables)


def check(python: str, *, wheel: Path, constraints: Path) -> None:
    """Install and use the wheel with one Python."""
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_") as temporary:
        root = Path(temporary)
        folder = root / "work"
        folder.mkdir()
        installation = Installation(environment=root / "env", folder=folder, hub_home=root / "hub")
        started = time.monotonic()
        install(python, installation.environment, wheel=wheel, constraints=constraints)
        print(f"  {'install':30} {time.monotonic() - started:6.1f} s", flush=True)
        journey.walk(
            installation,
            (journey.help_text, journey.doctor, journey.pretrain, *journey.AFTER_PRETRAINING, journey.serve),
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pythons", nargs="+", metavar="PYTHON", help="interpreters to install with")
    parser.add_argument("--wheel", type=Path, required=True, metavar="FILE")
    parser.add_argument("--constraints", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    num_checked = 0
    for python in arguments.pythons:
        version = version_of(python)
        if version is None:
            print(f"skipped {python}: not installed, or without venv and ensurepip")
            continue
        print(f"Python {version} ({python})", flush=True)
        try:
            check(python, wheel=arguments.wheel.resolve(), constraints=arguments.constraints.resolve())
        except (StepError, subprocess.SubprocessError) as error:
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
        num_checked += 1
    if num_checked == 0:
        print(
            "FAILED: none of these Pythons is installed; name an installed one: make wheel-check WHEEL_PYTHONS=…",
            file=sys.stderr,
        )
    return int(num_checked == 0)


if __name__ == "__main__":
    sys.exit(main())
