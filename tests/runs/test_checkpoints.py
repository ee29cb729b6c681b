"""Checkpoints of any kind: damaged ones are skipped, and saving never changes earlier ones."""

import dataclasses
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from paddle_wwm.errors import CheckpointError
from paddle_wwm.runs.checkpoints import CheckpointStore, read_arrays, save_arrays

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class State:
    step: int
    scores: list[float] = dataclasses.field(default_factory=list)


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(folder=tmp_path / "checkpoints", state_type=State, state_name="state.json")


def save(store, step):
    with store.writing(f"step-{step:08d}", state=State(step=step, scores=[0.5])) as folder:
        save_arrays(folder / "weights.safetensors", {"w": np.full(4, step, np.float32)})
        (folder / "vocab.txt").write_text("[PAD]", encoding="utf-8")
    return store.folder / f"step-{step:08d}"


def test_the_newest_complete_checkpoint_is_found_with_its_state_and_files(store):
    save(store, 9)
    newest = save(store, 10)
    found = store.newest()
    assert (found.path, found.state) == (newest, State(step=10, scores=[0.5]))
    assert read_arrays(found.path / "weights.safetensors")["w"].tolist() == [10.0] * 4


def test_a_folder_without_checkpoints_has_no_newest_checkpoint(store):
    assert store.newest() is None and list(store.states()) == []


@pytest.mark.parametrize("name", ["weights.safetensors", "vocab.txt"])
@pytest.mark.parametrize("damage", ["cut", "one bit", "deleted"])
def test_a_damaged_checkpoint_is_skipped_with_a_warning_that_names_the_file(store, logged, name, damage):
    older, damaged = save(store, 10), save(store, 20) / name
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content if damage == "one bit" else content[:-1])
    if damage == "deleted":
        damaged.unlink()
    assert store.newest().path == older
    assert any(str(damaged) in line for line in logged)


@pytest.mark.parametrize("text", [None, "", "[1]", '{"step": 3}', '{"state": {"step": 3}}'])
def test_a_missing_or_invalid_state_file_is_an_error(store, text):
    path = save(store, 10) / "state.json"
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match="state.json"):
        store.read(path.parent)
    assert store.newest() is None and list(store.states()) == []


def test_unknown_fields_of_the_state_are_ignored(store):
    path = save(store, 10) / "state.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"step": 10', '"step": 10, "world_size": 2'), "utf-8")
    assert store.read(path.parent).state.step == 10


def test_saving_the_same_step_again_replaces_its_checkpoint(store):
    path = save(store, 10)
    (path / "vocab.txt").unlink()
    save(store, 10)
    assert store.newest().path == path and os.listdir(store.folder) == [path.name]


def test_keep_only_deletes_all_other_checkpoints(store):
    paths = [save(store, step) for step in (1, 2, 3)]
    store.keep_only([paths[0], paths[2]])
    assert store.paths() == [paths[0], paths[2]]


def test_a_full_disk_keeps_earlier_checkpoints_and_leaves_no_partial_files(store):
    older = save(store, 10)
    message = r"step-00000020: .*No space left.*the newest one is step-00000010"
    with (
        pytest.raises(CheckpointError, match=message),
        store.writing("step-00000020", state=State(step=20)) as folder,
    ):
        (folder / "weights").write_bytes(b"half")
        raise OSError(28, "No space left on device")
    assert os.listdir(store.folder) == [older.name] and store.newest().path == older


def test_the_next_save_removes_the_partial_files_of_a_killed_process(store):
    older = save(store, 10)
    source = (
        "import sys, time; from pathlib import Path\n"
        "from tests.runs.test_checkpoints import State\n"
        "from paddle_wwm.runs.checkpoints import CheckpointStore\n"
        "store = CheckpointStore(folder=Path(sys.argv[1]), state_type=State, state_name='state.json')\n"
        "with store.writing('step-00000020', state=State(step=20)) as folder:\n"
        "    (folder / 'weights').write_bytes(b'half'); print(flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", source, str(store.folder)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == b"\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert store.newest().path == older and len(os.listdir(store.folder)) == 2
    save(store, 30)
    assert sorted(os.listdir(store.folder)) == ["step-00000010", "step-00000030"]


def test_an_unreadable_array_file_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"no arrays")
    for name in ("w.safetensors", "absent.safetensors"):
        with pytest.raises(CheckpointError, match=name):
            read_arrays(tmp_path / name)
