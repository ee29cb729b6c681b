"""Atomic writes, lock files, checksums and free disk space.

Files and folders are written under a temporary name, flushed to disk, then renamed. So they are complete or absent.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import IO, Any, Callable, Iterator

from .errors import CheckpointError, ConfigError, PaddleWWMError

# `Path` turns s3://bucket/name into s3:/bucket/name. One letter is a drive of Windows.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")
_REMEDIES = {
    "http": "download it first, for example with curl -LO",
    "https": "download it first, for example with curl -LO",
    "hf": "download it first, for example with `hf download`",
    "file": "leave out file://",
}
_BUCKET_REMEDY = "copy the files to this machine first, or mount the store as a folder (rclone mount, s3fs)"


def require_local(path: str | Path) -> None:
    """Refuse an address such as s3://bucket/name, which is not a local path.

    Raises:
        ConfigError: The path is an address. The message has the remedy.
    """
    if match := _ADDRESS.match(str(path)):
        scheme = match[1].lower()
        # without user, password and query, which can contain keys
        shown = re.sub(r"^[^/]*@", "", re.sub(r"[?#].*", "", str(path)[match.end() :], flags=re.DOTALL))
        raise ConfigError(
            f"{scheme}://{shown}: must be a local path, but is an address; {_REMEDIES.get(scheme, _BUCKET_REMEDY)}. "
            f"Results are written to a local folder, from which you can copy them."
        )


@contextlib.contextmanager
def atomic_write(path: str | Path, mode: str = "wb") -> Iterator[IO]:
    """Open a file that appears at `path` only when the block ends without an error."""
    require_local(path)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        encoding = None if "b" in mode else "utf-8"
        with os.fdopen(descriptor, mode, encoding=encoding) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        _flush(path.parent)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        _name_file(error, path)
        raise


@contextlib.contextmanager
def atomic_directory(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Make a folder that appears at `path` only when the block ends without an error.

    Args:
        path: The final place of the folder.
        replace: If something exists at `path`, move it away when the new folder is complete, then delete it.
            Otherwise `path` must be absent or an empty folder.

    Yields:
        The temporary folder to write into.
    """
    require_local(path)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        for item in (*temporary.rglob("*"), temporary):
            if item.is_file() or item.is_dir():
                _flush(item)
        old = temporary.with_name(f"{temporary.name}.old")
        if replace and path.exists():
            os.rename(path, old)
        os.rename(temporary, path)
        _flush(path.parent)
        if old.exists():
            shutil.rmtree(old)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        _name_file(error, path)
        raise


def _flush(path: Path) -> None:
    """Flush the bytes of a file or the names in a folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: str | Path, *, on_busy: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file `path`. Only one process at a time can hold it.

    Args:
        path: The lock file.
        on_busy: Called before waiting if another process holds the lock. It may raise to avoid the wait.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if on_busy is not None:
            on_busy()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _name_file(error: BaseException, path: Path) -> None:
    """Add the missing filename: ENOSPC from a write does not name the file."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        error.filename = str(path)


def remove_leftovers(path: Path) -> None:
    """Delete temporary folders of `atomic_directory(path)` that a killed process left.

    Call it only while no other process writes there.
    """
    for leftover in path.parent.glob(f".{path.name}.*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically, in UTF-8. Keys keep their order."""
    with atomic_write(path, "w") as stream:
        json.dump(value, stream, ensure_ascii=False, indent=2)
        stream.write("\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: The file is missing or does not hold a JSON object. The message names the file.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file.") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: must hold a JSON object.")
    return value


def sha256_of_file(path: str | Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_sha256_file(path: Path, *, error: type[PaddleWWMError]) -> None:
    """Compare a file with the checksum in NAME.sha256 next to it, if there is one.

    The form is that of `sha256sum`. Raises `error` if the checksums differ.
    """
    beside = path.with_name(f"{path.name}.sha256")
    if beside.is_file():
        stated = (beside.read_text(encoding="utf-8", errors="replace").split() or [""])[0]
        check_sha256(path, stated, error=error)


def check_sha256(path: Path, stated: str, *, error: type[PaddleWWMError]) -> None:
    """Raise `error` unless the file has the stated sha256."""
    if (found := sha256_of_file(path)) != stated.lower():
        raise error(
            f"{path}: has sha256 {found}, but {stated} was expected; the file is damaged or a different one. Copy it "
            f"again."
        )


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """Return the records of a file of JSON lines; [] if the file is missing.

    Reading stops at the first line that is not JSON, because a killed process can leave an incomplete line.
    """
    path, records = Path(path), []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records


def check_space(path: Path, *, num_bytes: int, what: str, remedy: str, error: type[PaddleWWMError]) -> None:
    """Raise `error` unless the disk of `path` has `num_bytes` free bytes.

    Args:
        path: A file or folder. It may be absent.
        num_bytes: Bytes that are needed.
        what: Subject of the message, for example "the model".
        remedy: Last part of the message.
        error: Type of the error.
    """
    path = path.absolute()
    free = shutil.disk_usage(next(parent for parent in (path, *path.parents) if parent.exists())).free
    if num_bytes > free:
        raise error(f"{path}: {what} needs about {size_text(num_bytes)}, but {size_text(free)} are free; {remedy}.")


@contextlib.contextmanager
def disk_errors_as(kind: type[PaddleWWMError], *, folder: Path, remedy: str) -> Iterator[None]:
    """Raise `kind` with a remedy if the disk is full, over quota or not writable.

    The message names the file if the error does, otherwise `folder`.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS):
            raise
        raise kind(f"{error.filename or folder}: {error.strerror}. {remedy}") from None


def size_text(num_bytes: int) -> str:
    """Format a number of bytes for people: 3.1 kB, 412.0 MB, 1.3 GB."""
    if num_bytes >= 1e9:
        return f"{num_bytes / 1e9:,.1f} GB"
    return f"{num_bytes / 1e6:,.1f} MB" if num_bytes >= 1e5 else f"{num_bytes / 1e3:,.1f} kB"
