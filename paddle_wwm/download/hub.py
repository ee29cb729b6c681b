"""Fetch the files of a model from a repository on the Hugging Face hub or a mirror, and check them.

huggingface_hub compares only sizes. This module also compares every file with the checksum that the hub states: the
sha256 of a large file, the git blob sha1 of a small file.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Iterable, Iterator

import requests
from huggingface_hub import (
    HfApi,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from ..errors import DownloadError
from ..files import sha256_of_file
from .addresses import hub_endpoint, without_secrets
from .failures import WrongLength
from .home import told_when_full
from .network import MAX_FILE_BYTES, Network

logger = logging.getLogger(__name__)

# The first pattern that a repository has a file for is used. A model needs one of CONFIGS and one of WEIGHTS.
CONFIGS = (r"config\.json", r"bert_config\.json", r"model_config\.json")
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
OPTIONAL = (r"vocab\.txt", r"tokenizer_config\.json")  # tokenizer_config.json states whether the model is cased
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
        """What the file is checked by: "size only", "git sha1" or "sha256"."""
        return "size only" if self.checksum is None else {40: "git sha1", 64: "sha256"}[len(self.checksum)]


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


def look_up(repository: str, *, revision: str, network: Network) -> RemoteModel:
    """Look up the files that a model needs on the hub, with sizes and checksums.

    Raises:
        DownloadError: the hub gives no valid answer, or the repository has no model.
    """
    endpoint = hub_endpoint()
    with _errors_of_hub(repository, revision=revision), network.hub_session():
        ask = partial(HfApi(endpoint=endpoint).model_info, repository, revision=revision, files_metadata=True)
        info = network.until_whole(ask, title=repository)
        if info.sha is None or not re.fullmatch(r"\w[\w.-]{0,99}", info.sha):  # it becomes the name of a folder
            raise DownloadError(
                f"{without_secrets(endpoint)}: states no commit for {repository}; check that HF_ENDPOINT is a mirror "
                f"of the hub."
            )
        known = {sibling.rfilename: sibling for sibling in info.siblings or ()}
        files = []
        for name in choose_files(known, source=f"{repository} at {without_secrets(endpoint)}"):
            sibling = known[name]
            size, checksum = sibling.size, sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
            if size is None or not _is_checksum(checksum):  # some mirrors have the details only in the file's headers
                metadata = get_hf_file_metadata(
                    hf_hub_url(repository, name, revision=info.sha, endpoint=endpoint), endpoint=endpoint
                )
                size, checksum = metadata.size, metadata.etag
            if size is None:
                raise DownloadError(f"{without_secrets(endpoint)}: states no size for {repository}/{name}.")
            files.append(RemoteFile(name=name, size_bytes=size, checksum=checksum if _is_checksum(checksum) else None))
    return RemoteModel(repository=repository, commit=info.sha, files=tuple(files))


def fetch_files(model: RemoteModel, *, folder: Path, network: Network) -> None:
    """Fetch the files of a model into `folder` and check them.

    Files that are there already are kept; interrupted ones are continued. A file in the cache of huggingface_hub is
    linked instead of fetched.

    Raises:
        DownloadError: a file cannot be fetched, or its bytes are wrong twice.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in model.files:
        path = folder / file.name
        if path.exists() and is_right(path, file):
            continue
        path.unlink(missing_ok=True)
        cached = try_to_load_from_cache(model.repository, file.name, revision=model.commit)
        if isinstance(cached, str) and is_right(Path(cached), file):
            path.symlink_to(Path(cached).resolve())
            continue
        _fetch_file(file, model=model, folder=folder, network=network)


def _fetch_file(file: RemoteFile, *, model: RemoteModel, folder: Path, network: Network) -> None:
    path = folder / file.name
    # With an empty cache_dir, huggingface_hub cannot take an unchecked copy from its own cache.
    get = partial(hf_hub_download, model.repository, file.name, revision=model.commit, endpoint=hub_endpoint())
    get = partial(get, local_dir=folder, cache_dir=folder / ".cache" / "none")
    for last_try in (False, True):
        problem = "bytes that do not match the checksum"
        try:
            with told_when_full(folder), _errors_of_hub(model.repository, revision=model.commit), network.hub_session():
                network.until_whole(
                    get, title=file.name, max_bytes=MAX_FILE_BYTES if file.size_bytes is None else file.size_bytes
                )
        except WrongLength as error:
            problem = str(error)
        else:
            if is_right(path, file):
                return
        path.unlink(missing_ok=True)
        # it has the partial file, from which huggingface_hub would continue
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        if last_try:
            break
        logger.warning("%s: received %s; fetching it again", file.name, problem)
    raise DownloadError(
        f"{model.repository}/{file.name}: {without_secrets(hub_endpoint())} has sent {problem} twice "
        f"(stated checksum: {file.checksum or 'none'}). "
        "Both copies were deleted. Try again later, or with another mirror (HF_ENDPOINT)."
    )


def find_in_hub_cache(repository: str, *, revision: str) -> tuple[RemoteModel, Path] | None:
    """Find a model in the cache of huggingface_hub, where transformers stores models.

    It uses no network. A file with a wrong checksum counts as missing.

    Returns:
        The files and their folder, or None if the cache does not have all of them.
    """
    try:
        folder = Path(snapshot_download(repository, revision=revision, local_files_only=True))
        names = choose_files((path.name for path in folder.iterdir() if path.is_file()), source=str(folder))
    except (LocalEntryNotFoundError, HFValidationError, OSError, DownloadError):
        return None
    files = []
    for name in names:
        blob = (folder / name).resolve()  # a cached file is a link to a file that is named by its checksum
        checksum = blob.name if _is_checksum(blob.name) else None
        files.append(RemoteFile(name=name, size_bytes=blob.stat().st_size, checksum=checksum))
        if not is_right(blob, files[-1]):
            return None
    return RemoteModel(repository=repository, commit=folder.name, files=tuple(files)), folder


def is_right(path: Path, file: RemoteFile) -> bool:
    """Return True if a local file has the size and checksum of the remote file."""
    if path.stat().st_size != file.size_bytes:
        return False
    checksum = sha256_of_file if file.checked_by == "sha256" else git_sha1_of_file
    return file.checksum is None or file.checksum == checksum(path)


def git_sha1_of_file(path: Path) -> str:
    """Return the git blob sha1 of a file."""
    header = f"blob {path.stat().st_size}\0".encode()
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.sha1(header, usedforsecurity=False)).hexdigest()


def _is_checksum(text: str | None) -> bool:
    return bool(text and (SHA256.fullmatch(text) or SHA1.fullmatch(text)))


@contextlib.contextmanager
def _errors_of_hub(repository: str, *, revision: str) -> Iterator[None]:
    """Turn the errors of huggingface_hub into DownloadError, each with a remedy."""
    endpoint = without_secrets(hub_endpoint())
    try:
        yield
    except GatedRepoError:
        raise DownloadError(
            f"{repository}: {endpoint} provides it only to accounts that accepted its terms; accept them, then "
            f"set HF_TOKEN."
        ) from None
    except RepositoryNotFoundError:
        raise DownloadError(
            f"{repository}: {endpoint} has no such repository, or it is private; if it is yours, set HF_TOKEN."
        ) from None
    except RevisionNotFoundError:
        raise DownloadError(
            f"{repository}: has no revision {revision!r} at {endpoint}; pass a branch, a tag or a commit."
        ) from None
    except HFValidationError:
        raise DownloadError(f"{repository!r}: the name of a repository must have the form owner/name.") from None
    except requests.HTTPError as error:
        # huggingface_hub raises LocalEntryNotFoundError for any failure; the cause has the reason
        cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else error
        response = getattr(cause, "response", None)
        if response is None:
            raise DownloadError(
                f"{repository}: {endpoint} does not answer like a hub: {_first_line(cause or error)} Check HF_ENDPOINT."
            ) from None
        if response.status_code == 416:  # the partial file is longer than the file, so it is not a part of it
            raise WrongLength("a file of another length than stated") from None
        hint = "; check HF_TOKEN" if response.status_code in (401, 403) else ""
        answer = f"{response.status_code} {response.reason} for {without_secrets(response.url)}"
        raise DownloadError(f"{repository}: {endpoint} answers {answer}{hint}.") from None
    except requests.RequestException as error:
        raise DownloadError(
            f"{repository}: {endpoint} does not answer like a hub ({type(error).__name__}). Check HF_ENDPOINT."
        ) from None
    except OSError as error:
        if error.errno is None:  # huggingface_hub raises this if the size differs
            raise WrongLength("a file of another length than stated") from None
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DownloadError(
            f"{repository}: {endpoint} does not answer like a hub: {_first_line(error)} Check HF_ENDPOINT."
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".") + "."
