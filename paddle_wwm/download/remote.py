"""The files of a model on a server: which are needed, and fetching them with a check of every file."""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable

from ..errors import DownloadError
from ..files import sha256_of_file
from .failures import WrongLength

logger = logging.getLogger(__name__)

# The first pattern that a repository has a file for is used. A model needs one of CONFIGS and one of WEIGHTS.
CONFIGS = (r"config\.json", r"bert_config\.json", r"model_config\.json", r"\w*bert_config\w*\.json|lert_config\.json")
WEIGHTS = (
    r"model\.safetensors",
    r"model-\d{5}-of-\d{5}\.safetensors|model\.safetensors\.index\.json",
    r"pytorch_model\.bin",
    r"pytorch_model-\d{5}-of-\d{5}\.bin|pytorch_model\.bin\.index\.json",
    r"model_state\.pdparams",
    r"model_state-\d{5}-of-\d{5}\.pdparams|model_state\.pdparams\.index\.json",
    r"bert_model\.ckpt\.(index|data-\d{5}-of-\d{5})",
)
REQUIRED = {
    "a configuration (config.json)": CONFIGS,
    "weights (model.safetensors, pytorch_model.bin, model_state.pdparams)": WEIGHTS,
}
# tokenizer_config.json states whether the model is cased; the last two can have added tokens
OPTIONAL = (r"vocab\.txt", r"tokenizer_config\.json", r"added_tokens\.json", r"tokenizer\.json")
SHA256, SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file of a repository.

    Args:
        size_bytes: the size, or None if the server does not state it.
        checksum: the sha256 (64 hexadecimal digits) or git blob sha1 (40), or None if the server does not state it.
    """

    name: str
    size_bytes: int | None
    checksum: str | None = None

    @property
    def checked_by(self) -> str:
        """What the file is checked by: "sha256", "git sha1", "size only" or "nothing"."""
        if self.checksum is not None:
            return {40: "git sha1", 64: "sha256"}[len(self.checksum)]
        return "nothing" if self.size_bytes is None else "size only"


@dataclass(frozen=True, kw_only=True)
class RemoteModel:
    """The files of one commit of a repository that a model needs."""

    repository: str
    commit: str
    files: tuple[RemoteFile, ...]

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(file.size_bytes or 0 for file in self.files)


def choose_files(names: Iterable[str], *, source: str) -> list[str]:
    """Return the files of a repository that a model needs, in one format of weights.

    Raises:
        DownloadError: the configuration or the weights are missing; the message names what is missing.
    """
    names = sorted(names)
    found = {
        what: next((matches for row in rows if (matches := [name for name in names if re.fullmatch(row, name)])), [])
        for what, rows in REQUIRED.items()
    }
    if missing := [what for what, matches in found.items() if not matches]:
        raise DownloadError(
            f"{source}: holds no model that can be read: {' and '.join(missing)} missing; it has "
            f"{', '.join(names) or 'no files'}."
        )
    small = [name for name in names if re.fullmatch("|".join(OPTIONAL), name)]
    return [*small, *(name for matches in found.values() for name in matches)]


def fetch_files(
    model: RemoteModel,
    *,
    folder: Path,
    transfer: Callable[[RemoteFile, Path], None],
    cached: Callable[[RemoteFile], Path | None] = lambda file: None,
    server: str,
    remedy: str,
) -> None:
    """Fetch the files of a model into `folder` and check them.

    Files that are there already are kept.

    Args:
        transfer: fetches a file to a path, and continues an interrupted transfer.
        cached: returns a local copy, which is linked instead of fetched if it is right.
        server: address of the server, for messages.
        remedy: what to do after wrong bytes.

    Raises:
        DownloadError: a file cannot be fetched, or its bytes are wrong twice.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in model.files:
        path = folder / file.name
        if path.exists() and is_right(path, file):
            continue
        path.unlink(missing_ok=True)
        copy = cached(file)
        if copy is not None and is_right(copy, file):
            path.symlink_to(copy.resolve())
            continue
        _fetch_file(file, model=model, path=path, transfer=transfer, server=server, remedy=remedy)


def _fetch_file(
    file: RemoteFile,
    *,
    model: RemoteModel,
    path: Path,
    transfer: Callable[[RemoteFile, Path], None],
    server: str,
    remedy: str,
) -> None:
    for last_try in (False, True):
        problem = "bytes that do not match the checksum"
        try:
            transfer(file, path)
        except WrongLength as error:
            problem = str(error)
        else:
            if is_right(path, file):
                return
            if path.stat().st_size != (file.size_bytes or path.stat().st_size):
                problem = "a file of another length than stated"
        for leftover in path.parent.glob(f"{path.name}*"):  # a partial file, from which the next try would continue
            leftover.unlink()
        if last_try:
            break
        logger.warning("%s: received %s; fetching it again", file.name, problem)
    raise DownloadError(
        f"{model.repository}/{file.name}: {server} has sent {problem} twice "
        f"(stated checksum: {file.checksum or 'none'}). Both copies were deleted. {remedy}"
    )


def is_right(path: Path, file: RemoteFile) -> bool:
    """Return True if a local file has the size and checksum of the remote file."""
    if file.size_bytes is not None and path.stat().st_size != file.size_bytes:
        return False
    checksum = sha256_of_file if file.checked_by == "sha256" else git_sha1_of_file
    return file.checksum is None or file.checksum == checksum(path)


def git_sha1_of_file(path: Path) -> str:
    """Return the git blob sha1 of a file."""
    header = f"blob {path.stat().st_size}\0".encode()
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.sha1(header, usedforsecurity=False)).hexdigest()


def is_checksum(text: str | None) -> bool:
    """Return True for a sha256 (64 hexadecimal digits) or a git blob sha1 (40)."""
    return bool(text and (SHA256.fullmatch(text) or SHA1.fullmatch(text)))
