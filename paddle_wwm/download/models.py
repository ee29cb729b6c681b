"""A model's name to its folder here: found, or fetched, checked, converted and moved into place."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

from filelock import FileLock, Timeout

from ..archives import is_archive, unpack_archive
from ..errors import ArchiveError, ConfigError, DownloadError
from ..files import sha256_of_file, write_json
from ..variants import Variant, find_variant
from ..version import __version__
from .arrival import convert_on_arrival, find_model_in
from .home import RECORD_NAME, StoredModel, download_folder, find_stored, home_folder, key_of, model_folder, told_when_full
from .hub import RemoteFile, RemoteModel, checksum_of, fetch_files, find_in_hub_cache, look_up
from .network import Network, NetworkSettings, Unreachable, hub_endpoint, is_offline
from .urls import fetch_url, is_url, name_of_url, size_of_url, without_secrets

DEFAULT_REVISION = "main"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a name stands for. variant: its row of the table, None for other repositories. source: what takes the place of the hub."""

    name: str
    key: str
    home: Path
    variant: Variant | None
    repository: str | None
    revision: str
    source: str | None

    @property
    def target(self) -> Path:
        """Where the model is, or will be."""
        return model_folder(self.key, home=self.home)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `fetch` would do. stored: the model when it is here already; else files to be transferred, from `origin`."""

    wanted: Wanted
    stored: StoredModel | None
    origin: str
    commit: str | None = None
    files: tuple[RemoteFile, ...] = ()


def fetch(
    name: str,
    *,
    revision: str | None = None,
    source: str | Path | None = None,
    sha256: str | None = None,
    home: str | Path | None = None,
    overwrite: bool = False,
    settings: NetworkSettings | None = None,
    show_progress: bool = True,
) -> Path:
    """The folder of a model, fetched and converted first where it is not here yet; a model that is here needs no network.

    `name` is any name of the table of models, or owner/name of another BERT on the hub. `revision` is a branch, tag or commit (default: main).
    `source` takes the place of the hub: an address or path of a zip or tar archive (`sha256`: of its bytes, to be checked), or a folder.
    `home` defaults to PADDLE_WWM_HOME. `overwrite` fetches again what is here. Several processes may ask at once: one fetches, the others wait.

    Raises DownloadError, ArchiveError, CheckpointError (files that are no BERT) or ConfigError (an unknown name).
    """
    wanted = _wanted(name, revision=revision, source=source, home=home)
    stored = find_stored(wanted.key, home=wanted.home)
    if stored and not overwrite:
        return stored.folder
    network = Network(settings, show_progress=show_progress)
    with told_when_full(wanted.home), _alone(wanted, network=network):
        if overwrite or not find_stored(wanted.key, home=wanted.home):
            _fetch(wanted, sha256=sha256, network=network)
    return wanted.target


def plan(
    name: str,
    *,
    revision: str | None = None,
    source: str | Path | None = None,
    home: str | Path | None = None,
    overwrite: bool = False,
    settings: NetworkSettings | None = None,
    show_progress: bool = True,
) -> Plan:
    """What `fetch` would transfer; asks for names, sizes and checksums only, and writes nothing."""
    wanted = _wanted(name, revision=revision, source=source, home=home)
    stored = find_stored(wanted.key, home=wanted.home)
    if stored and not overwrite:
        return Plan(wanted=wanted, stored=stored, origin=str(stored.folder))
    network = Network(settings, show_progress=show_progress)
    if wanted.source is None:
        model, folder = _look_up(wanted, network=network)
        origin = f"{wanted.repository} at {hub_endpoint()}" if folder is None else str(folder)
        return Plan(wanted=wanted, stored=None, origin=origin, commit=model.commit, files=() if folder else model.files)
    if not is_url(wanted.source):
        _check_local(wanted)
        return Plan(wanted=wanted, stored=None, origin=wanted.source)
    with _three_ways(wanted):
        size = size_of_url(wanted.source, network=network)
    file = RemoteFile(name=name_of_url(wanted.source), size_bytes=size)
    return Plan(wanted=wanted, stored=None, origin=without_secrets(wanted.source), files=(file,))


def _wanted(name: str, *, revision: str | None, source: str | Path | None, home: str | Path | None) -> Wanted:
    try:
        variant = find_variant(name)
    except ConfigError:
        if source is None and name.count("/") != 1:
            raise
        variant = None
    if revision is not None and source is not None:
        raise ConfigError("`revision` names a state of the hub's repository: it does not go with another source.")
    return Wanted(
        name=variant.name if variant else name,
        key=key_of(variant.name if variant else name, revision=revision),
        home=Path(home) if home is not None else home_folder(),
        variant=variant,
        repository=variant.source if variant else name,
        revision=revision or DEFAULT_REVISION,
        source=None if source is None else str(source),
    )


@contextlib.contextmanager
def _alone(wanted: Wanted, *, network: Network) -> Iterator[None]:
    """Only one process works at a model; the others wait here."""
    wanted.target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(wanted.target.parent / f".{wanted.key}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        network.say(f"another process is fetching {wanted.name}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetch(wanted: Wanted, *, sha256: str | None, network: Network) -> None:
    """From wherever it is to `wanted.target`. What has arrived stays in the download folder until the model is whole."""
    folder = download_folder(wanted.key, home=wanted.home)
    record: dict[str, Any] = {"name": wanted.name}
    if wanted.source is None:
        model, files = _look_up(wanted, network=network)
        if files is None:
            files = folder / model.commit
            _check_space(model, wanted=wanted, folder=files)
            with _three_ways(wanted):
                fetch_files(model, folder=files, network=network)
        record |= {"repository": wanted.repository, "endpoint": without_secrets(hub_endpoint()), "revision": wanted.revision, "commit": model.commit}
        arrived = model.files
    else:
        files = _from_source(wanted, folder=folder, sha256=sha256, network=network)
        record |= {"from": without_secrets(wanted.source), "archive_sha256": sha256}
        arrived = [RemoteFile(name=path.name, size_bytes=path.stat().st_size) for path in sorted(files.iterdir()) if path.is_file()]
    record["files"] = [
        {
            "name": file.name,
            "size_bytes": file.size_bytes,
            "sha256": file.checksum if file.checked_by == "sha256" else sha256_of_file(files / file.name),
            "checked_by": file.checked_by if wanted.source is None else "not checked",
        }
        for file in arrived
    ]
    converted = folder / "converted"
    shutil.rmtree(converted, ignore_errors=True)
    notes = convert_on_arrival(files, target=converted, variant=wanted.variant, show_progress=network.show_progress)
    record |= {"notes": notes, "stored_bytes": {path.name: path.stat().st_size for path in converted.iterdir()}, "paddle_wwm": __version__}
    write_json(converted / RECORD_NAME, record)
    if wanted.target.exists():  # only now: what was there stays until the new one is complete
        shutil.rmtree(wanted.target)
    os.rename(converted, wanted.target)
    shutil.rmtree(folder, ignore_errors=True)


def _look_up(wanted: Wanted, *, network: Network) -> tuple[RemoteModel, Path | None]:
    """What the hub has, and None; without the network what huggingface_hub has cached for another program, and its folder."""
    try:
        if is_offline():
            raise Unreachable("the environment forbids the network (HF_HUB_OFFLINE).")
        return look_up(wanted.repository, revision=wanted.revision, network=network), None
    except Unreachable as error:
        if (cached := find_in_hub_cache(wanted.repository, revision=wanted.revision)) is None:
            raise _not_here(wanted, error) from None
        network.say(f"{wanted.name}: {error} Taken from {cached[1]}, where another program has put it.")
        return cached


@contextlib.contextmanager
def _three_ways(wanted: Wanted) -> Iterator[None]:
    try:
        yield
    except Unreachable as error:
        raise _not_here(wanted, error) from None


def _not_here(wanted: Wanted, reason: DownloadError) -> DownloadError:
    archive = f", or the archive {wanted.variant.archive}.zip" if wanted.variant else ""
    return DownloadError(
        f"{wanted.name}: is not in {wanted.home}, and {reason} Three ways to get it here:\n"
        f"  1. With a network: unset HF_HUB_OFFLINE, name a mirror in HF_ENDPOINT where {hub_endpoint()} is out of reach, and run the same again.\n"
        f"  2. By hand: bring config.json, vocab.txt and the weights of {wanted.repository}{archive}, then: "
        f"python scripts/download.py {wanted.name} --from FOLDER_OR_ARCHIVE\n"
        f"  3. From another machine that has it: copy its folder models/{wanted.key} of PADDLE_WWM_HOME to {wanted.target}."
    )


def _from_source(wanted: Wanted, *, folder: Path, sha256: str | None, network: Network) -> Path:
    """The folder with the model's files, out of an address, an archive or a folder."""
    fetched = is_url(wanted.source)
    if fetched:
        if is_offline():
            raise DownloadError(f"{without_secrets(wanted.source)}: the environment forbids the network (HF_HUB_OFFLINE); give a file that is here.")
        archive = fetch_url(wanted.source, folder=folder, network=network)
    else:
        archive = _check_local(wanted)
        if archive.is_dir():
            if sha256 is not None:
                raise ConfigError(f"{archive}: is a folder; `sha256` goes with an archive.")
            return find_model_in(archive)
    try:
        if sha256 is not None and (found := checksum_of(archive, num_digits=64)) != sha256.lower():
            raise DownloadError(f"{archive}: its sha256 must be {sha256}, but is {found}{'; it was deleted' if fetched else ''}.")
        if not is_archive(archive):
            raise DownloadError(f"{wanted.source if not fetched else without_secrets(wanted.source)}: {_what_it_is(archive)}")
        unpacked = folder / "unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)
        return find_model_in(unpack_archive(archive, target=unpacked, show_progress=network.show_progress))
    except (ArchiveError, DownloadError):
        if fetched:
            archive.unlink()
        raise


def _what_it_is(path: Path) -> str:
    with open(path, "rb") as stream:
        if stream.read(512).lstrip().lower().startswith((b"<!doctype", b"<html")):
            return "is a web page, not an archive. Pages of Google Drive and Baidu want a browser: fetch the archive with it, then give its path."
    return "is neither a folder nor a zip or tar archive."


def _check_local(wanted: Wanted) -> Path:
    path = Path(wanted.source).expanduser()
    if not path.exists():
        raise DownloadError(f"{path}: no such archive or folder, and no address (http://, https://).")
    return path


def _check_space(model: RemoteModel, *, wanted: Wanted, folder: Path) -> None:
    """Before the transfer: what is to come, and the converted model beside it."""
    wanted.home.mkdir(parents=True, exist_ok=True)
    here = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0
    needed, free = max(0, model.size_bytes - here) + model.size_bytes, shutil.disk_usage(wanted.home).free
    if needed > free:
        raise DownloadError(
            f"{wanted.home}: {wanted.name} needs {needed / 1e6:,.0f} MB there, but {free / 1e6:,.0f} MB are free; make room, or set PADDLE_WWM_HOME."
        )
