"""Fetch one file from an address. An interrupted transfer is continued if the file on the server is still the same."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from ..errors import DownloadError
from ..files import write_json
from .addresses import without_secrets
from .failures import TransferCut, WrongLength
from .home import told_when_full
from .network import Network

WRITE_BYTES = 1 << 20


def name_of_url(url: str) -> str:
    """Return the last part of an address as a safe file name."""
    return re.sub(r"[^\w.-]", "_", Path(unquote(urlsplit(url).path)).name).lstrip(".") or "download"


def fetch_url(url: str, *, folder: Path, network: Network) -> Path:
    """Fetch the file at `url` into `folder`; return its path.

    A complete or partial file in `folder` is used if the server confirms (ETag or Last-Modified) that the file is
    still the same.

    Raises:
        DownloadError: the file cannot be fetched, or is too large.
    """
    path = folder / name_of_url(url)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with network.session() as session, told_when_full(folder):
            network.until_whole(lambda: _continue(url, path=path, session=session), title=path.name)
    except WrongLength as error:
        raise DownloadError(f"{without_secrets(url)}: sends {error}; an archive of a model is smaller.") from None
    except requests.RequestException as error:
        raise DownloadError(f"{without_secrets(url)}: cannot be fetched: {error}.") from None
    return path


def _continue(url: str, *, path: Path, session: requests.Session) -> None:
    """Make one request, for the whole file or its missing part."""
    part, notes = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.json")
    validator = _validator_in(notes, url=url)
    whole = path.exists() and validator is not None
    num_here = (path if whole else part).stat().st_size if whole or (validator is not None and part.exists()) else 0
    headers = {"Accept-Encoding": "identity"}
    if num_here and validator is not None:  # If-Range: if the file has changed, the server sends all of it
        headers |= {"Range": f"bytes={num_here}-", "If-Range": validator}
    with session.get(url, headers=headers, stream=True) as response:
        content_range = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", response.headers.get("Content-Range", ""))
        if response.status_code == 416 and num_here:
            if content_range and int(content_range[2]) == num_here:  # nothing is missing
                (path if whole else part).replace(path)
                return
            part.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise TransferCut("the partial file is not part of the file on the server any more.", position=0)
        if not response.ok:
            raise DownloadError(f"{without_secrets(url)}: the server answers {response.status_code} {response.reason}.")
        start = int(content_range[1]) if response.status_code == 206 and content_range and content_range[1] else 0
        if start not in (0, num_here):
            raise DownloadError(
                f"{without_secrets(url)}: the server sends bytes from {start:,}, but bytes from {num_here:,} were "
                f"requested."
            )
        if start == 0:
            write_json(notes, {"url": url, "validator": _validator_of(response)})
        elif whole:
            path.replace(part)
        length = response.headers.get("Content-Length", "")
        with open(part, "r+b" if start else "wb") as stream:
            stream.seek(start)
            stream.truncate()
            for block in response.iter_content(WRITE_BYTES):
                stream.write(block)
            num_bytes = stream.tell()
            stream.flush()
            os.fsync(stream.fileno())
    if length.isdecimal() and num_bytes != start + int(length):
        raise TransferCut(f"the transfer was interrupted after {num_bytes:,} bytes.", position=num_bytes)
    part.replace(path)


def _validator_of(response: requests.Response) -> str | None:
    """Return the strong ETag or the Last-Modified of a response.

    With it, a later request can check that the file is still the same. A weak ETag does not guarantee equal bytes.
    """
    etag = response.headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _validator_in(notes: Path, *, url: str) -> str | None:
    try:
        values = json.loads(notes.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values.get("validator") if values.get("url") == url else None


def size_of_url(url: str, *, network: Network) -> int | None:
    """Return the size in bytes that the server states, or None if it states none.

    Raises:
        DownloadError: the server cannot be reached, or answers with an error.
    """
    try:
        with network.session() as session:
            response = session.head(url, headers={"Accept-Encoding": "identity"}, allow_redirects=True)
    except requests.RequestException as error:
        raise DownloadError(f"{without_secrets(url)}: cannot be fetched: {error}.") from None
    if response.status_code == 405:  # the server does not support HEAD
        return None
    if not response.ok:
        raise DownloadError(f"{without_secrets(url)}: the server answers {response.status_code} {response.reason}.")
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None
