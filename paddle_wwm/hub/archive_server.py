"""A small server for module archives in a private network. It speaks PaddleHub's protocol.

    GET /search?word=…&version=…   ─► {"status": 0, "data": [{"name", "version", "type", "summary", "url", …}]}
    GET /info?name=…               ─► {"status": 0, "data": {"name", "info": [{"version", "url", …}]}}
    GET /archives/NAME-VERSION.tar ─► the archive

PaddleHub does not compare checksums, so this server does: an archive is listed only if its sha256 is the one in the
.sha256 file next to it, which the builder writes. Every request looks at the folder again, so new and changed files
need no restart.
"""

from __future__ import annotations

import logging
import tarfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from ..errors import HubModuleError
from ..files import sha256_of_file
from .http import new_app, serve_app
from .sources import module_info

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
            source = tar.getmember(f"{min(tops, default='')}/module.py")
            if len(tops) != 1 or not source.isreg() or source.size > MAX_SOURCE_BYTES:
                raise HubModuleError(f"{path}: must hold one folder with a module.py.")
            stream = tar.extractfile(source)
            assert stream is not None  # it is a regular file
            info = module_info(stream.read().decode("utf-8"), path=path / source.name)
            Version(info["version"])  # raises if archives cannot be sorted by it, here and in PaddleHub
    except (tarfile.TarError, KeyError, UnicodeDecodeError, OSError, EOFError, InvalidVersion) as error:
        raise HubModuleError(f"{path}: is not a module archive: {error}.") from None
    return ServedArchive(
        path=path, name=info["name"], version=info["version"], summary=str(info.get("summary", "")), sha256=found
    )


def _stated(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def make_app(shelf: Shelf) -> Flask:
    """Return a Flask application that serves the archives."""
    from flask import abort, request, send_file

    app = new_app()

    def entry(archive: ServedArchive) -> dict[str, Any]:
        return {
            "name": archive.name,
            "version": archive.version,
            "type": "Module",
            "summary": archive.summary,
            "url": f"{request.host_url}archives/{archive.path.name}",
            "sha256": archive.sha256,
            "paddle_version": PADDLE_VERSIONS,
            "hub_version": HUB_VERSIONS,
        }

    @app.get("/search")
    def search() -> dict[str, Any]:
        # `hub search` without a word sends ".*"; any other word is a part of a name, not a pattern
        word, version = request.args.get("word", "").strip().lower(), request.args.get("version")
        archives = [
            archive
            for archive in shelf.archives()
            if word in ("", ".*") or word.replace("_", "-") in archive.name.replace("_", "-")
        ]
        return {
            "status": 0,
            "msg": "",
            "data": [entry(archive) for archive in archives if version in (None, archive.version)],
        }

    @app.get("/info")
    def info() -> dict[str, Any]:
        name = request.args.get("name", "").strip().lower()
        found = [entry(archive) for archive in shelf.archives() if archive.name == name]
        return {"status": 0, "msg": "", "data": {"name": name, "info": found} if found else {}}

    @app.get("/archives/<filename>")
    def archive(filename: str) -> Response:
        found = next((archive for archive in shelf.archives() if archive.path.name == filename), None)
        if found is None:
            abort(404)
        return send_file(found.path.resolve(), mimetype="application/x-tar", as_attachment=True, download_name=filename)

    return app


def serve_archives(folder: Path, *, host: str, port: int) -> None:
    """Serve a folder of archives until Ctrl-C or SIGTERM; port 0: any free port."""
    shelf = Shelf(folder)
    archives = shelf.archives()

    def describe(address: str) -> list[str]:
        return [
            *(
                f"{archive.name}=={archive.version}  {archive.path.name}  sha256 {archive.sha256}"
                for archive in archives
            ),
            f"{len(archives)} archive(s) of {folder} at {address}; on the clients: hub config server=={address}",
        ]

    serve_app(make_app(shelf), host=host, port=port, describe=describe)
