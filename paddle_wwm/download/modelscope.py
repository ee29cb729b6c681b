"""Fetch the files of a model from ModelScope over plain HTTPS, and check them.

The addresses and answers are those of ModelScope's own client (modelscope/hub/api.py, modelscope/hub/file_download.py).
MODELSCOPE_ENDPOINT, or MODELSCOPE_DOMAIN, names another host, as for the client. Only public repositories can be
fetched.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import requests

from ..errors import DownloadError
from .addresses import is_url, without_secrets
from .home import told_when_full
from .network import MAX_FILE_BYTES, Network
from .remote import SHA256, RemoteFile, RemoteModel, choose_files, fetch_files
from .urls import continue_transfer

PREFIX = "modelscope:"
DEFAULT_DOMAIN, DEFAULT_REVISION = "www.modelscope.cn", "master"


def modelscope_repository(source: str | None) -> str | None:
    """Return OWNER/NAME of modelscope:OWNER/NAME, or None for another source."""
    return source.removeprefix(PREFIX) if source and source.startswith(PREFIX) else None


def modelscope_endpoint() -> str:
    """Return the address of ModelScope."""
    stated = os.environ.get("MODELSCOPE_ENDPOINT") or os.environ.get("MODELSCOPE_DOMAIN")
    domain = (stated or DEFAULT_DOMAIN).rstrip("/")
    return domain if is_url(domain) else f"https://{domain}"


def look_up(repository: str, *, revision: str, network: Network) -> RemoteModel:
    """Look up the files that a model needs, with sizes and checksums.

    Args:
        repository: OWNER/NAME.
        revision: a branch or tag.

    Raises:
        DownloadError: ModelScope cannot be reached or has no such model, or the repository has no BERT.
    """
    query = urlencode({"Revision": revision, "Recursive": "true"})
    url = f"{_address(repository)}/files?{query}"
    place = f"{PREFIX}{repository} at {without_secrets(modelscope_endpoint())}"

    def ask() -> tuple[int, Any]:
        with network.session() as session, session.get(url) as response:
            return response.status_code, _json_of(response)

    try:
        status, answer = network.until_whole(ask, title=repository)
    except requests.RequestException as error:
        raise DownloadError(f"{place}: cannot be fetched: {error}.") from None
    values = answer if isinstance(answer, dict) else {}
    if values.get("Success") is False or status != 200:
        message = str(values.get("Message") or "no message")[:200]
        raise DownloadError(
            f"{place}: the server answers {status} ({message}) for revision {revision!r}; check OWNER/NAME and "
            "--revision. Private models cannot be fetched: download the files, and pass their folder with --from."
        )
    known: dict[str, RemoteFile] = {}
    commits: dict[str, str] = {}
    try:
        for item in values["Data"]["Files"]:
            if item["Type"] != "tree":
                known[item["Path"]], commits[item["Path"]] = _remote_file(item), str(item.get("Revision"))
    except (KeyError, TypeError):
        raise DownloadError(f"{place}: does not answer like ModelScope; check MODELSCOPE_ENDPOINT.") from None
    names = choose_files(known, source=place)
    commit = commits[names[-1]]
    if not re.fullmatch(r"\w[\w.-]{0,99}", commit):  # it becomes the name of a folder
        raise DownloadError(f"{place}: states no revision for {names[-1]}; check MODELSCOPE_ENDPOINT.")
    return RemoteModel(repository=repository, commit=commit, files=tuple(known[name] for name in names))


def fetch_from_modelscope(model: RemoteModel, *, revision: str, folder: Path, network: Network) -> None:
    """Fetch the files of a model into `folder` and check them.

    Interrupted transfers are continued.

    Raises:
        DownloadError: a file cannot be fetched, or its bytes are wrong twice.
    """

    def transfer(file: RemoteFile, path: Path) -> None:
        url = f"{_address(model.repository)}?{urlencode({'Revision': revision, 'FilePath': file.name})}"
        try:
            with network.session() as session, told_when_full(folder):
                network.until_whole(
                    lambda: continue_transfer(url, path=path, session=session, is_checked=file.checksum is not None),
                    title=file.name,
                    max_bytes=MAX_FILE_BYTES if file.size_bytes is None else file.size_bytes,
                )
        except requests.RequestException as error:
            raise DownloadError(f"{without_secrets(url)}: cannot be fetched: {error}.") from None

    fetch_files(
        model,
        folder=folder,
        transfer=transfer,
        server=without_secrets(modelscope_endpoint()),
        remedy="Try again later.",
    )


def _address(repository: str) -> str:
    return f"{modelscope_endpoint()}/api/v1/models/{quote(repository)}/repo"


def _json_of(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _remote_file(item: dict[str, Any]) -> RemoteFile:
    size, checksum = item.get("Size"), str(item.get("Sha256") or "")
    return RemoteFile(
        name=item["Path"],
        size_bytes=size if type(size) is int and size >= 0 else None,
        checksum=checksum if SHA256.fullmatch(checksum) else None,
    )
