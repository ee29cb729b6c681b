"""Damage files of every format, and compare what we refuse with what the format's own reader refuses.

  python tests/interop/damage.py --torch .venv-interop/torch/bin/python --tensorflow .venv-interop/tensorflow/bin/python

The exit status is 1 if the format's own reader refuses a file that we read, or if we read other values than it does.
Readers: safetensors, torch.load(weights_only=True), TensorFlow, paddle.load, GNU tar, zipfile.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.interop.digests import read_by  # noqa: E402
from tests.weights.damage import FORMATS, Counts, arrays, count, damaged, has_gnu_tar, read_by_us  # noqa: E402

SEED = 1
SCRIPTS = {"torch": "in_torch.py", "tensorflow": "in_tensorflow.py", "paddle": "in_paddle.py"}
TORCH_FILES = {"PyTorch, zip": "zip.bin", "PyTorch, older": "older.bin"}
HEADS = ("format", "files", "its reader", "ours", "only its", "differ", "changed")


def call(python: Path, script: str, *arguments: Path | str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(python), str(ROOT / "tests" / "interop" / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed with status {done.returncode}:\n{done.stdout}{done.stderr}")


def counts_of(name: str, *, num_files: int, pythons: dict[str, Path], torch_files: Path, work: Path) -> Counts:
    """Damage a file of a format `num_files` times and count what both readers make of it."""
    form, cases, rng = FORMATS[name], work / "cases", np.random.default_rng(SEED)
    (cases / "whole").mkdir(parents=True)
    path = form.write(cases / "whole")
    if name in TORCH_FILES:
        shutil.copyfile(torch_files / TORCH_FILES[name], path)
    whole, ours = path.read_bytes(), {"whole": read_by_us(form, path)}
    for number in range(num_files):
        case = shutil.copytree(cases / "whole", cases / f"{number:05}")
        (case / path.name).write_bytes(damaged(whole, rng))
        ours[case.name] = read_by_us(form, case / path.name)
    if isinstance(form.theirs, str):
        call(pythons[form.theirs], SCRIPTS[form.theirs], "judge", cases, work / "results.json")
        theirs = json.loads((work / "results.json").read_text())
    else:
        theirs = {case: read_by(form.theirs, cases / case / path.name) for case in ours}
    expected = ours.pop("whole")
    if theirs.pop("whole") != expected:
        raise SystemExit(f"{name}: the two readers read different values from the whole file")
    return count(expected, ours, theirs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", type=Path, metavar="PYTHON", required=True)
    parser.add_argument("--tensorflow", type=Path, metavar="PYTHON", required=True)
    parser.add_argument("--files", type=int, default=1000, help="damaged files per format")
    arguments = parser.parse_args()
    pythons = {"torch": arguments.torch, "tensorflow": arguments.tensorflow, "paddle": Path(sys.executable)}
    num_faults = 0
    print("Refused by the format's own reader, by ours, only by its own; read with different values; read by both with")
    print("other values than those of the whole file (no checksum covers the place).")
    print("{:18} {:>6} {:>11} {:>6} {:>9} {:>7} {:>8}".format(*HEADS))
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_damage_") as folder:
        torch_files = Path(folder)
        np.savez(torch_files / "arrays.npz", **arrays())
        call(pythons["torch"], SCRIPTS["torch"], "save", torch_files / "arrays.npz", torch_files)
        for name in FORMATS:
            if name.startswith("tar") and not has_gnu_tar():
                print(f"{name:18} skipped: GNU tar is not installed")
                continue
            with tempfile.TemporaryDirectory(dir=folder) as work:
                found = counts_of(
                    name, num_files=arguments.files, pythons=pythons, torch_files=torch_files, work=Path(work)
                )
            faults = (len(found.only_theirs), len(found.different))
            num_faults += sum(faults)
            numbers = (found.num_files, found.num_theirs, found.num_ours, *faults, len(found.changed))
            line = "{:18} {:>6} {:>11} {:>6} {:>9} {:>7} {:>8}".format(name, *numbers)
            print(line, *found.only_theirs, *found.different, flush=True)  # the numbers of the files
    print("all damage that a format's own reader finds is refused" if not num_faults else f"{num_faults} FAULTS")
    sys.exit(bool(num_faults))


if __name__ == "__main__":
    main()
