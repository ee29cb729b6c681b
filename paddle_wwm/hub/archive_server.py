"""A small server for module archives in a private network. It speaks PaddleHub's protocol.

    GET /search?word=…&version=…   ─► {"status": 0, "data": [{"name", "version", "type", "summary", "url", …}]}
    GET /info?name=…               ─► {"status": 0, "data": {"name", "info": [{"version", "url", …}]}}
    GET /archives/NAME-VERSION.tar ─► the archive

Another name of a model, such as roberta-wwm-ext, is answered with the archive of its redirecting module, never with
the model's own: PaddleHub would install that under the model's name and not find it by the other name. The redirecting
module then gets the model's own module through PaddleHub, from the same server.

PaddleHub needs whole addresses. They are made of --public-url, or of the address and port at which the connection
arrived, and never of the request's Host header, which a client can set to anything. Errors are JSON, too.

PaddleHub does not compare checksums, so this server does: an archive is listed only if its sha256 is the one in the
.sha256 file next to it, which the builder writes. Every request looks at the folder again, so new and changed files
need no restart.
"""

from __future__ import annotations

import io
import logging
import tarfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping
from urllib.parse import urlsplit

from packaging.version import InvalidVersion, Version

from ..errors import ConfigError, HubModuleError
from ..files import sha256_of_file
from .http import new_app, serve_app
from .module_info import MODULE_FILE, module_info
from .provenance import FACTS
from .redirects import Redirect, target_of_alias

if TYPE_CHECKING:
    from flask import Flask, Response

logger = logging.getLogger(__name__)
MAX_SOURCE_BYTES = 1 << 20  # largest module.py that is read
# supported versions, in PaddleHub's notation for ranges
PADDLE_VERSIONS, HUB_VERSIONS = "[3.0.0, 99.0.0]", "[2.0.0, 99.0.0]"


@dataclass(frozen=True, kw_only=True)
class ServedArchive:
    """An archive with a correct checksum."""

    path: Path
    name: str
    version: str
    summary: str
    sha256: str

    @property
    def filename(self) -> str:
        """The last part of its address."""
        return self.path.name


class Shelf:
    """The archives of a folder, newest version first. A changed file is checked again."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise HubModuleError(
                f"{folder}: no such folder; it must hold archives as paddle-wwm hub build writes them."
            )
        self._folder = folder
        self._known: dict[tuple, ServedArchive | str] = {}
        self._lock = threading.Lock()

    def archives(self) -> list[ServedArchive]:
        """Return the archives that may be served; log once why others are not."""
        known: dict[tuple, ServedArchive | str] = {}
        with self._lock:
            for path in sorted(self._folder.glob("*.tar")):
                try:
                    key: tuple[Path, int, int, int, int] | tuple[Path, None] = (
                        path,
                        *_state(path),
                        *_state(_stated(path)),
                    )
                except OSError:
                    key = (path, None)
                known[key] = self._known[key] if key in self._known else self._look_at(path)
            self._known = known
        found = [archive for archive in known.values() if isinstance(archive, ServedArchive)]
        return sorted(found, key=lambda archive: (archive.name, Version(archive.version)), reverse=True)

    @staticmethod
    def _look_at(path: Path) -> ServedArchive | str:
        try:
            return open_archive(path)
        except HubModuleError as error:
            logger.warning("not served: %s", error)
            return str(error)


def open_archive(path: Path) -> ServedArchive:
    """Open an archive and compare its checksum.

    Raises:
        HubModuleError: The checksum is missing or wrong, or the file is not a module archive.
    """
    try:
        stated = _stated(path).read_text(encoding="utf-8").split()[:1]
    except (OSError, ValueError):
        raise HubModuleError(
            f"{path}: has no {_stated(path).name} next to it, so its content cannot be checked; build it again."
        ) from None
    found = sha256_of_file(path)
    if stated != [found]:
        listed = " ".join(stated) or "nothing"
        raise HubModuleError(
            f"{path}: sha256 is {found}, but {_stated(path).name} says {listed}; copy or build the archive again."
        )
    try:
        with tarfile.open(path, "r:") as tar:
            tops = {member.name.split("/")[0] for member in tar}
            source = tar.getmember(f"{min(tops, default='')}/{MODULE_FILE}")
            if len(tops) != 1 or not source.isreg() or source.size > MAX_SOURCE_BYTES:
                raise HubModuleError(f"{path}: must hold one folder with a module.py.")
            stream = tar.extractfile(source)
            assert stream is not None  # it is a regular file
            info = module_info(stream.read().decode("utf-8"), path=path / source.name)
            Version(info["version"])  # raises if archives cannot be sorted by it, here and in PaddleHub
    except (tarfile.TarError, KeyError, UnicodeDecodeError, OSError, EOFError, InvalidVersion) as error:
        raise HubModuleError(f"{path}: is not a module archive: {error}.") from None
    return ServedArchive(
        path=path,
        name=info["name"],
        version=info["version"],
        summary=str(info.get("summary", "")).partition(FACTS)[0],  # a list of modules has no room for the facts
        sha256=found,
    )


def _stated(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def redirects_on(shelf: Shelf, alias: str) -> list[Redirect]:
    """Return the redirecting modules of a name, one for each version of its model."""
    variant = target_of_alias(alias)
    if variant is None or any(archive.name == alias for archive in shelf.archives()):
        return []
    return [
        Redirect(alias=alias, name=archive.name, version=archive.version)
        for archive in shelf.archives()
        if archive.name == variant.hub_name
    ]


def make_app(shelf: Shelf, *, public_url: str | None = None) -> Flask:
    """Return a Flask application that serves the archives.

    Args:
        shelf: The archives.
        public_url: The address that clients use; None: the address and port at which a connection arrives.
    """
    from flask import abort, request, send_file
    from werkzeug.exceptions import HTTPException

    app = new_app()

    def entry(found: ServedArchive | Redirect) -> dict[str, Any]:
        base = public_url or address_of(request.environ)
        return {
            "name": found.name if isinstance(found, ServedArchive) else found.alias,
            "version": found.version,
            "type": "Module",
            "summary": found.summary,
            "url": f"{base}/archives/{found.filename}",
            "sha256": found.sha256,
            "paddle_version": PADDLE_VERSIONS,
            "hub_version": HUB_VERSIONS,
        }

    @app.get("/search")
    def search() -> dict[str, Any]:
        # `hub search` without a word sends ".*"; any other word is a part of a name, not a pattern
        given, version = request.args.get("word", "").strip(), request.args.get("version")
        word = given.lower()
        found: list[ServedArchive | Redirect] = [*redirects_on(shelf, given)] or [
            archive
            for archive in shelf.archives()
            if word in ("", ".*") or word.replace("_", "-") in archive.name.replace("_", "-")
        ]
        return {"status": 0, "msg": "", "data": [entry(one) for one in found if version in (None, one.version)]}

    @app.get("/info")
    def info() -> dict[str, Any]:
        name = request.args.get("name", "").strip()
        found: list[ServedArchive | Redirect] = [*redirects_on(shelf, name)] or [
            archive for archive in shelf.archives() if archive.name == name.lower()
        ]
        return {
            "status": 0,
            "msg": "",
            "data": {"name": name, "info": [entry(one) for one in found]} if found else {},
        }

    @app.get("/archives/<filename>")
    def archive(filename: str) -> Response:
        path: Path | io.BytesIO | None = next(
            (archive.path.resolve() for archive in shelf.archives() if archive.filename == filename), None
        )
        if path is None:
            alias = filename.rpartition("-")[0]
            found = next((one for one in redirects_on(shelf, alias) if one.filename == filename), None)
            if found is None:
                abort(404, f"{filename} is not served here.")
            path = io.BytesIO(found.content)
        return send_file(path, mimetype="application/x-tar", as_attachment=True, download_name=filename)

    def refusal(message: str, *, code: int) -> tuple[dict[str, Any], int]:
        return {"status": code, "msg": message, "data": {}}, code

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> tuple[dict[str, Any], int]:
        return refusal(f"{error.name}: {error.description}", code=error.code or 500)

    @app.errorhandler(Exception)
    def failed(error: Exception) -> tuple[dict[str, Any], int]:
        app.logger.exception("a request failed")
        return refusal(f"{type(error).__name__} in the server; its log has the details.", code=500)

    return app


def address_of(environ: Mapping[str, Any]) -> str:
    """Return the address of a request's connection, such as http://192.0.2.10:8867."""
    connection = environ.get("werkzeug.socket")
    host, port = connection.getsockname()[:2] if connection else (environ["SERVER_NAME"], environ["SERVER_PORT"])
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def checked_url(url: str) -> str:
    """Return the address that clients use, without a slash at its end.

    Raises:
        ConfigError: It is not the address of a server.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"--public-url must be like http://modules.example.com:8867, but is {url!r}.")
    return url.rstrip("/")


def serve_archives(folder: Path, *, host: str, port: int, public_url: str | None = None) -> None:
    """Serve a folder of archives until Ctrl-C or SIGTERM; port 0: any free port."""
    shelf = Shelf(folder)
    archives = shelf.archives()
    url = None if public_url is None else checked_url(public_url)

    def describe(address: str) -> list[str]:
        return [
            *(
                f"{archive.name}=={archive.version}  {archive.path.name}  sha256 {archive.sha256}"
                for archive in archives
            ),
            f"{len(archives)} archive(s) of {folder} at {address}; on the clients: hub config server=={url or address}",
        ]

    serve_app(make_app(shelf, public_url=url), host=host, port=port, describe=describe)
