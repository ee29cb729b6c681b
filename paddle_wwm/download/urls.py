"""Fetch one file from an address. An interrupted transfer is continued if the file on the server is still the same."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Callable, Mapping
from urllib.parse import unquote, urlsplit

import requests

from ..errors import DownloadError
from ..files import write_json
from .addresses import without_secrets
from .failures import TransferCut, WrongLength
from .home import told_when_full
from .network import Network

WRITE_BYTES = 1 << 20
GZIP_ENDINGS = (".gz", ".tgz")


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
            network.until_whole(lambda: continue_transfer(url, path=path, session=session), title=path.name)
    except WrongLength as error:
        raise DownloadError(f"{without_secrets(url)}: sends {error}; an archive of a model is smaller.") from None
    except requests.RequestException as error:
        raise DownloadError(f"{without_secrets(url)}: cannot be fetched: {error}.") from None
    return path


def continue_transfer(
    url: str,
    *,
    path: Path,
    session: requests.Session,
    headers: Mapping[str, str] | None = None,
    check: Callable[[requests.Response], object] | None = None,
    is_checked: bool = False,
) -> None:
    """Make one request, for the whole file or its missing part.

    Next to the file are `.part` while it is incomplete, and `.json` with what confirms that it has not changed.

    Args:
        headers: more headers for the request.
        check: raises if the answer is an error.
        is_checked: the caller compares the checksum of the file, so nothing else needs to confirm that the file is the
            same; and it does not need to be kept.
    """
    part, notes = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.json")
    validator = _validator_in(notes, url=url)
    can_continue = validator is not None or is_checked
    whole = path.exists() and validator is not None
    num_here = (path if whole else part).stat().st_size if whole or (can_continue and part.exists()) else 0
    asked = {**(headers or {}), "Accept-Encoding": "identity"}
    if num_here:
        asked["Range"] = f"bytes={num_here}-"
        if validator is not None:  # If-Range: if the file has changed, the server sends all of it
            asked["If-Range"] = validator
    with session.get(url, headers=asked, stream=True) as response:
        content_range = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", response.headers.get("Content-Range", ""))
        if response.status_code == 416 and num_here:
            if content_range and int(content_range[2]) == num_here:  # nothing is missing
                (path if whole else part).replace(path)
                return
            part.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise TransferCut("the partial file is not part of the file on the server any more.", position=0)
        if check is not None:
            check(response)
        elif not response.ok:
            raise DownloadError(f"{without_secrets(url)}: the server answers {response.status_code} {response.reason}.")
        start = int(content_range[1]) if response.status_code == 206 and content_range and content_range[1] else 0
        if start not in (0, num_here):
            raise DownloadError(
                f"{without_secrets(url)}: the server sends bytes from {start:,}, but bytes from {num_here:,} were "
                f"requested."
            )
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        is_plain = encoding == "identity" or path.suffix in GZIP_ENDINGS  # servers also state the encoding of the file
        if start == 0:
            write_json(notes, {"url": url, "validator": _validator_of(response) if is_plain else None})
        elif whole:
            path.replace(part)
        length = response.headers.get("Content-Length", "") if is_plain else ""  # else the length of the coded body
        with open(part, "r+b" if start else "wb") as stream:
            stream.seek(start)
            stream.truncate()
            for block in response.raw.stream(WRITE_BYTES, decode_content=not is_plain):
                stream.write(block)
            num_bytes = stream.tell()
            stream.flush()
            os.fsync(stream.fileno())
    if length.isdecimal() and num_bytes != start + int(length):
        raise TransferCut(f"the transfer was interrupted after {num_bytes:,} bytes.", position=num_bytes)
    part.replace(path)
    if is_checked:
        notes.unlink()


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
