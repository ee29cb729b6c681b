"""Every command of the READMEs of version 0.1 still parses."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from paddle_wwm.cli.main import parse, split_command

ROOT = Path(__file__).resolve().parents[2]
LINES = [
    line
    for line in (ROOT / "tests/fixtures/readme_commands_of_0_1.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


def command_of(line: str) -> list[str]:
    """Return the arguments of the program: those that a shim adds, then those of the command line."""
    words = shlex.split(line, comments=True)
    for place, word in enumerate(words):
        if word.startswith("scripts/") and word.endswith(".py"):
            shim = ROOT / word
        elif re.fullmatch(r"paddle_wwm\.\w+", word) and words[place - 1] == "-m":
            folder = ROOT / word.replace(".", "/")
            shim = folder / "__main__.py" if folder.is_dir() else folder.with_suffix(".py")
        else:
            continue
        [first] = re.findall(r"^    main\(\[(.*), \*sys\.argv\[1:\]\]\)$", shim.read_text(encoding="utf-8"), re.M)
        return [*shlex.split(first.replace(",", " ")), *words[place + 1 :]]
    raise AssertionError(f"no script and no module: {line}")


@pytest.mark.parametrize("line", [line for line in LINES if "scripts/evidence.py" not in line])
def test_a_command_of_the_readmes_of_0_1_parses(line):
    name, rest = split_command(command_of(line))
    assert name
    parse(name, rest)


def test_the_commands_of_the_readmes_were_read():
    assert len(LINES) >= 45
    assert {"pretrain", "prepare-corpus", "doctor"} < {command_of(line)[0] for line in LINES if "evidence" not in line}
