"""Find the weights file of a folder, and check that a file can be read as one."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import CheckpointError
from . import INDEX_ENDING, INNER_FOLDERS, PATTERNS

KNOWN_KINDS = (
    "a folder with model.safetensors, pytorch_model.bin, model_state.pdparams, bert_model.ckpt.index or tf_model.h5, "
    "such a file itself, "
    "or a .zip or .tar with one inside"
)
SAVED_MODEL_NAME = "saved_model.pb"
CHECKPOINT_NAME = "checkpoint"  # a text file of TensorFlow, which names the latest checkpoint of its folder
MAX_CHECKPOINT_BYTES = 1 << 20
LFS_HEAD = b"version https://git-lfs.github.com/spec/"


def find_weights(folder: Path) -> Path:
    """Return the weights file of a folder.

    It is of the first kind in `PATTERNS` that the folder or one of its `INNER_FOLDERS` has. If there are several
    checkpoints of TensorFlow, the file `checkpoint` decides.

    Raises:
        CheckpointError: the folder has no weights, or several.
    """
    in_saved_model = folder / "variables" / f"variables{INDEX_ENDING}"
    if (folder / SAVED_MODEL_NAME).exists() and in_saved_model.exists():
        return in_saved_model
    for pattern in PATTERNS:
        found = sorted(folder.glob(pattern))
        if len(found) == 1:
            return found[0]
        if found:
            latest = latest_checkpoint(folder)
            if latest in found:
                return latest
            raise CheckpointError(
                f"{folder}: has several checkpoints: {', '.join(path.name for path in found)}; the file "
                f"`{CHECKPOINT_NAME}` {f'names {latest.name}' if latest else 'does not name one of them'}. Pass one of "
                "them as the source."
            )
    for name in INNER_FOLDERS:
        if (folder / name).is_dir() and any(path for pattern in PATTERNS for path in (folder / name).glob(pattern)):
            return find_weights(folder / name)
    subfolders = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith((".", "__"))]
    if len(subfolders) == 1:  # an unpacked archive has one folder at the top
        return find_weights(subfolders[0])
    raise CheckpointError(f"{folder}: holds no weights that are recognised; expected {KNOWN_KINDS}.")


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the index of the checkpoint that the file `checkpoint` names, or None.

    The file can have the path on the machine of the training; only its last part counts.
    """
    path = folder / CHECKPOINT_NAME
    if not path.is_file() or path.stat().st_size > MAX_CHECKPOINT_BYTES:
        return None
    match = re.search(r'^\s*model_checkpoint_path:\s*"([^"\n]+)"', path.read_text("utf-8", "replace"), re.MULTILINE)
    name = re.split(r"[/\\]", match[1])[-1] if match else ""
    return folder / f"{name}{INDEX_ENDING}" if name else None


def folder_of(path: Path) -> Path:
    """Return the folder with the configuration and the vocabulary of a weights file."""
    outer = path.parent.parent
    return outer if path.parent.name == "variables" and (outer / SAVED_MODEL_NAME).exists() else path.parent


def check_is_file(path: Path) -> None:
    """Raise CheckpointError for a pipe, a device or a pointer of Git LFS."""
    if not path.is_file():
        raise CheckpointError(
            f"{path}: is not a regular file; weights are read in any order, which a pipe does not allow. Write them to "
            "a file first."
        )
    with open(path, "rb") as stream:
        head = stream.read(1024)
    if head.startswith(LFS_HEAD):
        size = re.search(rb"^size (\d{1,15})$", head, re.MULTILINE)
        what = f"the file of {int(size[1]):,} bytes" if size else "the file"
        raise CheckpointError(
            f"{path}: is a pointer of Git LFS, not the weights. Fetch {what} with `git lfs pull`, or download it from "
            "the web page of the repository."
        )
