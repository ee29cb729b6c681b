"""Fetch the files of a model from a repository on the Hugging Face hub or a mirror, and check them.

Every file is compared with the size and the checksum that the hub states: the sha256 of a large file, the git blob sha1
of a small file. hf_hub_download needs a HEAD request first, with headers that some mirrors do not send, and compares
only sizes. So the files are fetched with GET here, in the session of huggingface_hub.
"""

from __future__ import annotations

import contextlib
import re
from functools import partial
from pathlib import Path
from typing import Iterator

import requests
from huggingface_hub import (
    HfApi,
    HfFileMetadata,
    get_hf_file_metadata,
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
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils._http import get_session, hf_raise_for_status

from ..errors import DownloadError
from .addresses import hub_endpoint, without_secrets
from .failures import WrongLength
from .home import told_when_full
from .network import MAX_FILE_BYTES, Network
from .remote import RemoteFile, RemoteModel, choose_files, fetch_files, is_checksum, is_right
from .urls import continue_transfer


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
            if size is None or not is_checksum(checksum):  # some mirrors have the details only in the file's headers
                stated = _headers_of(hf_hub_url(repository, name, revision=info.sha, endpoint=endpoint))
                size, checksum = stated.size or size, stated.etag or checksum
            files.append(RemoteFile(name=name, size_bytes=size, checksum=checksum if is_checksum(checksum) else None))
    return RemoteModel(repository=repository, commit=info.sha, files=tuple(files))


def _headers_of(url: str) -> HfFileMetadata:
    """Return the size and the checksum in the headers of a file; None if not stated."""
    try:
        return get_hf_file_metadata(url, endpoint=hub_endpoint())
    except requests.HTTPError:  # some mirrors answer HEAD with an error, and GET with the file
        return HfFileMetadata(commit_hash=None, etag=None, location=url, size=None, xet_file_data=None)


def fetch_from_hub(model: RemoteModel, *, folder: Path, network: Network) -> None:
    """Fetch the files of a model into `folder` and check them.

    Interrupted transfers are continued. A file in the cache of huggingface_hub is linked instead of fetched.

    Raises:
        DownloadError: a file cannot be fetched, or its bytes are wrong twice.
    """

    def transfer(file: RemoteFile, path: Path) -> None:
        url = hf_hub_url(model.repository, file.name, revision=model.commit, endpoint=hub_endpoint())
        with told_when_full(folder), _errors_of_hub(model.repository, revision=model.commit), network.hub_session():
            network.until_whole(
                lambda: continue_transfer(
                    url,
                    path=path,
                    session=get_session(),
                    headers=build_hf_headers(),
                    check=hf_raise_for_status,
                    is_checked=file.checksum is not None,
                ),
                title=file.name,
                max_bytes=MAX_FILE_BYTES if file.size_bytes is None else file.size_bytes,
            )

    def cached(file: RemoteFile) -> Path | None:
        found = try_to_load_from_cache(model.repository, file.name, revision=model.commit)
        return Path(found) if isinstance(found, str) else None

    fetch_files(
        model,
        folder=folder,
        transfer=transfer,
        cached=cached,
        server=without_secrets(hub_endpoint()),
        remedy="Try again later, or with another mirror (HF_ENDPOINT).",
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
        checksum = blob.name if is_checksum(blob.name) else None
        files.append(RemoteFile(name=name, size_bytes=blob.stat().st_size, checksum=checksum))
        if not is_right(blob, files[-1]):
            return None
    return RemoteModel(repository=repository, commit=folder.name, files=tuple(files)), folder


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
