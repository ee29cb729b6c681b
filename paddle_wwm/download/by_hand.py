"""A model that comes by an address, an archive or a folder, in place of the hub."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..archives import is_archive, unpack_archive
from ..errors import ArchiveError, ConfigError, DownloadError
from ..files import sha256_of_file
from ..weights.opening import is_torch_archive
from .addresses import is_url, without_secrets
from .arrival import find_model_in
from .network import Network, is_offline
from .urls import fetch_url
from .wanted import Wanted

ARCHIVE_ENDINGS = (".zip", ".tar", ".gz", ".tgz", ".bz2")
NO_ARCHIVE = {
    True: (
        "a web page, not an archive. Pages of Google Drive and Baidu want a browser: fetch the archive with it, "
        "then give its path."
    ),
    False: "no zip or tar archive. For files by themselves, fetch them into a folder, then give the folder.",
}


def fetch_by_hand(wanted: Wanted, *, folder: Path, sha256: str | None, network: Network) -> Path:
    """The folder with the model's files, or one file of weights, out of an address, an archive or a folder. Raises
    DownloadError, ArchiveError.
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
                raise ConfigError(f"{archive}: is a folder; `sha256` goes with an archive.")
            return find_model_in(archive)
    try:
        if sha256 is not None and (found := sha256_of_file(archive)) != sha256.lower():
            raise DownloadError(
                f"{archive}: its sha256 must be {sha256}, but is {found}{'; it was deleted' if fetched else ''}."
            )
        is_named_archive = archive.suffix.lower() in ARCHIVE_ENDINGS and not _is_web_page(archive)  # it may be torn
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
    """Raises DownloadError where the environment forbids the network."""
    if is_offline():
        raise DownloadError(
            f"{without_secrets(wanted.source or wanted.name)}: the environment forbids the network "
            f"(HF_HUB_OFFLINE); give a file that is here."
        )


def check_local(wanted: Wanted) -> Path:
    """Raises DownloadError for a file that is not there."""
    assert wanted.source is not None
    path = Path(wanted.source)
    if not path.exists():
        raise DownloadError(f"{path}: no such archive or folder, and no address (http://, https://).")
    return path


def _is_web_page(path: Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read(512).lstrip().lower().startswith((b"<!doctype", b"<html"))
