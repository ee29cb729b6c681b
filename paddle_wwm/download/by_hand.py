"""Fetch a model from an address, an archive or a folder instead of the hub."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..archives import is_archive, unpack_archive
from ..errors import ArchiveError, ConfigError, DownloadError
from ..files import sha256_of_file
from ..weights.torch_archive import is_torch_archive
from .addresses import is_url, without_secrets
from .arrival import find_model_in
from .network import Network, is_offline
from .urls import fetch_url
from .wanted import Wanted

ARCHIVE_ENDINGS = (".zip", ".tar", ".gz", ".tgz", ".bz2")
NO_ARCHIVE = {
    True: (
        "a web page, not an archive. Google Drive and Baidu need a browser: download the archive with it, then pass "
        "its path."
    ),
    False: "not a zip or tar archive. To use separate files, download them into a folder, then pass the folder.",
}


def fetch_by_hand(wanted: Wanted, *, folder: Path, sha256: str | None, network: Network) -> Path:
    """Fetch and unpack `wanted.source`: an address, an archive, a folder or a file.

    Returns:
        The folder with the files of the model, or one weights file. Archives are unpacked into `folder`.

    Raises:
        DownloadError: the source cannot be fetched, is of another kind, or has another checksum than `sha256`.
        ArchiveError: the archive is corrupt or hostile.
        ConfigError: `sha256` is given for a folder.
    """
    assert wanted.source is not None
    fetched = is_url(wanted.source)
    if fetched:
        check_online(wanted)
        archive = fetch_url(wanted.source, folder=folder, network=network)
    else:
        archive = check_local(wanted)
        if archive.is_dir():
            if sha256 is not None:
                raise ConfigError(f"{archive}: is a folder, but `sha256` must be used with an archive.")
            return find_model_in(archive)
    try:
        if sha256 is not None and (found := sha256_of_file(archive)) != sha256.lower():
            raise DownloadError(
                f"{archive}: the sha256 must be {sha256}, but is {found}{'; the file was deleted' if fetched else ''}."
            )
        # a corrupt archive is recognised by its name only; unpack_archive then raises the right error
        is_named_archive = archive.suffix.lower() in ARCHIVE_ENDINGS and not _is_web_page(archive)
        if not (is_archive(archive) or is_named_archive) or is_torch_archive(archive):
            if fetched or _is_web_page(archive):
                raise DownloadError(f"{without_secrets(wanted.source)}: is {NO_ARCHIVE[_is_web_page(archive)]}")
            return archive
        unpacked = folder / "unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)
        return find_model_in(unpack_archive(archive, target=unpacked, progress=network.progress))
    except (ArchiveError, DownloadError):
        if fetched:
            archive.unlink()
        raise


def check_online(wanted: Wanted) -> None:
    """Raise DownloadError if the environment forbids the network."""
    if is_offline():
        raise DownloadError(
            f"{without_secrets(wanted.source or wanted.name)}: the environment forbids the network "
            f"(HF_HUB_OFFLINE); unset it, or pass the path of a local file."
        )


def check_local(wanted: Wanted) -> Path:
    """Return the path of a local source. Raise DownloadError if it does not exist."""
    assert wanted.source is not None
    path = Path(wanted.source)
    if not path.exists():
        raise DownloadError(f"{path}: no such archive or folder, and not an address (http://, https://).")
    if not path.is_dir() and not path.is_file():
        raise DownloadError(f"{path}: is a pipe or a device, not a file or folder; write its bytes to a file first.")
    return path


def _is_web_page(path: Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read(512).lstrip().lower().startswith((b"<!doctype", b"<html"))
