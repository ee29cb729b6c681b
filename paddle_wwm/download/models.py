"""Get the folder of a model by its name: find it, or fetch, check and convert it and move it into place."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

from ..conversion.opening import with_command_of_flags
from ..conversion.result import RECORD_NAME as CONVERSION_RECORD_NAME
from ..errors import CheckpointError, ConfigError, DownloadError
from ..files import check_space, locked, read_json, sha256_of_file, write_json
from ..progress import Progress
from ..version import __version__
from .addresses import hub_endpoint, is_url, without_secrets
from .arrival import convert_on_arrival
from .by_hand import check_local, check_online, fetch_by_hand
from .failures import Unreachable
from .home import RECORD_NAME, StoredModel, download_folder, find_stored, told_when_full
from .hub import fetch_from_hub, find_in_hub_cache, look_up
from .modelscope import fetch_from_modelscope, modelscope_endpoint, modelscope_repository
from .modelscope import look_up as look_up_on_modelscope
from .network import Network, is_offline
from .remote import RemoteFile, RemoteModel
from .settings import NetworkSettings
from .urls import name_of_url, size_of_url
from .wanted import Wanted, check_same_source, not_here, three_ways, what_is_wanted

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `fetch` would do.

    Args:
        stored: the model if it is stored already.
        origin: where the files would be fetched from, or the folder of the stored model.
        files: the files to transfer.
    """

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
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Return the folder of a published model, fetching it if needed.

    Fetched files are checked and converted. A model that is stored needs no network. Several processes can call
    this at once: one fetches, the others wait.

    Args:
        name: any name of the table of models, owner/name of another BERT on the hub, or modelscope:owner/name.
        revision: a branch, tag or commit; None: main.
        source: the address or path of a zip or tar archive, a folder, or modelscope:owner/name, instead of the hub.
        sha256: the expected checksum of the archive `source`.
        home: folder for models; None: PADDLE_WWM_HOME, or a folder in the cache of the user.
        overwrite: fetch a stored model again.
        settings: timeouts and retries; None: the defaults, with HF_HUB_DOWNLOAD_TIMEOUT.
        progress: called with the bytes of each file that is fetched, unpacked and converted.

    Returns:
        The model folder: config.json, model_state.pdparams, vocab.txt, tokenizer_config.json and download.json,
        which records where it came from.

    Raises:
        DownloadError: the model cannot be fetched, or a checksum is wrong.
        ArchiveError: the archive is damaged or unsafe.
        CheckpointError: the files are not a BERT.
        ConfigError: the name is unknown, or a model from another source is stored under it.

    Source:
        The authors' models: https://huggingface.co/hfl.

    Example:
        >>> from paddle_wwm import fetch
        >>> fetch("someone/tiny-bert", source="model", home="home").name
        'someone--tiny-bert'
    """
    wanted = what_is_wanted(name, revision=revision, source=source, home=home)
    stored = find_stored(wanted.key, home=wanted.home)
    if stored and not overwrite:
        check_same_source(stored, wanted)
        return stored.folder
    if wanted.target.exists() and not (wanted.target / RECORD_NAME).exists():
        raise DownloadError(
            f"{wanted.target}: exists, but was not put there by a download (it has no {RECORD_NAME}); move it away."
        )
    network = Network(settings, progress=progress)
    with told_when_full(wanted.home), _alone(wanted):
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
) -> Plan:
    """Return what `fetch` would transfer.

    It asks the server for names, sizes and checksums only, and writes nothing. Arguments and errors are those of
    `fetch`.
    """
    wanted = what_is_wanted(name, revision=revision, source=source, home=home)
    stored = find_stored(wanted.key, home=wanted.home)
    if stored and not overwrite:
        return Plan(wanted=wanted, stored=stored, origin=str(stored.folder))
    network = Network(settings)
    if wanted.source is None:
        model, folder = _look_up(wanted, network=network)
        origin = f"{wanted.repository} at {without_secrets(hub_endpoint())}" if folder is None else str(folder)
        return Plan(wanted=wanted, stored=None, origin=origin, commit=model.commit, files=() if folder else model.files)
    if modelscope_repository(wanted.source) is not None:
        model = _look_up_on_modelscope(wanted, sha256=None, network=network)
        origin = f"{wanted.source} at {without_secrets(modelscope_endpoint())}"
        return Plan(wanted=wanted, stored=None, origin=origin, commit=model.commit, files=model.files)
    if not is_url(wanted.source):
        check_local(wanted)
        return Plan(wanted=wanted, stored=None, origin=wanted.source)
    check_online(wanted)
    with three_ways(wanted):
        size = size_of_url(wanted.source, network=network)
    file = RemoteFile(name=name_of_url(wanted.source), size_bytes=size)
    return Plan(wanted=wanted, stored=None, origin=without_secrets(wanted.source), files=(file,))


@contextlib.contextmanager
def _alone(wanted: Wanted) -> Iterator[None]:
    """Hold the lock of a model, so that only one process fetches it. Others wait."""
    try:
        wanted.target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=wanted.target.parent):
            pass
    except OSError as error:
        raise DownloadError(
            f"{wanted.home}: cannot be used as the folder for models: {error.strerror}. Set PADDLE_WWM_HOME "
            "(or --home) to a folder in which you may write."
        ) from None

    def say() -> None:
        logger.info("another process is fetching %s; waiting for it", wanted.name)

    with locked(wanted.target.parent / f".{wanted.key}.lock", on_busy=say):
        yield


def _fetch(wanted: Wanted, *, sha256: str | None, network: Network) -> None:
    """Fetch and convert a model into `wanted.target`.

    Downloaded files stay in the download folder until the model is complete.
    """
    folder = download_folder(wanted.key, home=wanted.home)
    record: dict[str, Any] = {"name": wanted.name}
    model: RemoteModel | None = None
    if wanted.source is None:
        model, files = _look_up(wanted, network=network)
        if files is None:
            files = folder / model.commit
            _check_space(model, wanted=wanted, folder=files)
            with three_ways(wanted):
                fetch_from_hub(model, folder=files, network=network)
        record |= {
            "repository": wanted.repository,
            "endpoint": without_secrets(hub_endpoint()),
            "revision": wanted.revision,
            "commit": model.commit,
        }
    elif modelscope_repository(wanted.source) is not None:
        model = _look_up_on_modelscope(wanted, sha256=sha256, network=network)
        files = folder / model.commit
        _check_space(model, wanted=wanted, folder=files)
        with three_ways(wanted):
            fetch_from_modelscope(model, revision=wanted.revision, folder=files, network=network)
        endpoint = without_secrets(modelscope_endpoint())
        record |= {"from": wanted.source, "endpoint": endpoint, "revision": wanted.revision, "commit": model.commit}
    else:
        files = fetch_by_hand(wanted, folder=folder, sha256=sha256, network=network)
        record |= {"from": without_secrets(wanted.source), "archive_sha256": sha256}
    converted = folder / "converted"
    shutil.rmtree(converted, ignore_errors=True)
    try:
        notes = convert_on_arrival(files, target=converted, variant=wanted.variant, progress=network.progress)
    except CheckpointError as error:
        kept = f" The fetched files are kept in {files}." if files.is_relative_to(folder) else ""
        raise CheckpointError(f"{with_command_of_flags(error, source=files)}{kept}") from None
    record["files"] = _files_of(model, folder=files) if model is not None else _weights_of(converted)
    record |= {
        "notes": notes,
        "stored_bytes": {path.name: path.stat().st_size for path in converted.iterdir()},
        "paddle_wwm": __version__,
    }
    write_json(converted / RECORD_NAME, record)
    if wanted.target.exists():  # only now, so that the old model stays until the new one is complete
        shutil.rmtree(wanted.target)
    os.rename(converted, wanted.target)
    shutil.rmtree(folder, ignore_errors=True)


def _files_of(model: RemoteModel, *, folder: Path) -> list[dict[str, Any]]:
    return [
        {
            "name": file.name,
            "size_bytes": file.size_bytes,
            "sha256": file.checksum if file.checked_by == "sha256" else sha256_of_file(folder / file.name),
            "checked_by": file.checked_by,
        }
        for file in model.files
    ]


def _weights_of(converted: Path) -> list[dict[str, Any]]:
    """Return the files that the conversion read.

    The folder or archive can have other files, too.
    """
    files = read_json(converted / CONVERSION_RECORD_NAME)["source"]["files"]
    return [
        {"name": file["name"], "size_bytes": file["num_bytes"], "sha256": file["sha256"], "checked_by": "not checked"}
        for file in files
    ]


def _look_up(wanted: Wanted, *, network: Network) -> tuple[RemoteModel, Path | None]:
    """Look up a model on the hub or, without network, in the cache of huggingface_hub.

    Returns:
        The files of the model, and their folder in the cache or None for the hub.
    """
    repository = wanted.repository
    assert repository is not None  # only a request with a source has no repository
    try:
        if is_offline():
            raise Unreachable("the environment forbids the network (HF_HUB_OFFLINE).")
        return look_up(repository, revision=wanted.revision, network=network), None
    except Unreachable as error:
        if (cached := find_in_hub_cache(repository, revision=wanted.revision)) is None:
            raise not_here(wanted, error) from None
        logger.warning("%s: %s Using %s, where another program has stored it.", wanted.name, error, cached[1])
        return cached


def _look_up_on_modelscope(wanted: Wanted, *, sha256: str | None, network: Network) -> RemoteModel:
    repository = modelscope_repository(wanted.source)
    assert repository is not None  # the caller has checked it
    if sha256 is not None:
        raise ConfigError(f"{wanted.source}: `sha256` must be used with an archive; ModelScope states the checksums.")
    check_online(wanted)
    with three_ways(wanted):
        return look_up_on_modelscope(repository, revision=wanted.revision, network=network)


def _check_space(model: RemoteModel, *, wanted: Wanted, folder: Path) -> None:
    """Raise DownloadError if the missing files and the converted model do not fit."""
    here = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0
    check_space(
        wanted.home,
        num_bytes=max(0, model.size_bytes - here) + model.size_bytes,
        what=wanted.name,
        remedy="make room, or set PADDLE_WWM_HOME",
        error=DownloadError,
    )
