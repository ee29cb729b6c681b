"""A small server of module archives that speaks PaddleHub's protocol, for networks that reach no other.

    GET /search?word=…&version=…   ─► {"status": 0, "data": [{"name", "version", "type", "summary", "url", "sha256",
    …}]}
    GET /info?name=…               ─► {"status": 0, "data": {"name", "info": [{"version", "url", …}]}}
    GET /archives/NAME-VERSION.tar ─► the archive

PaddleHub compares no checksums, so they are compared here: an archive is listed only when it has the sha256 that
stands in the file beside it, as the builder writes it. What is new in the folder, or has changed, is looked at when it
is asked for.
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
MAX_SOURCE_BYTES = 1 << 20  # of a module.py
# versions that the modules are for, as PaddleHub writes such ranges
PADDLE_VERSIONS, HUB_VERSIONS = "[3.0.0, 99.0.0]", "[2.0.0, 99.0.0]"


@dataclass(frozen=True, kw_only=True)
class ServedArchive:
    """An archive whose checksum is right."""

    path: Path
    name: str
    version: str
    summary: str
    sha256: str


class Shelf:
    """The archives of a folder, newest version first, checked anew when a file changes."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise HubModuleError(
                f"{folder}: no such folder; it must hold archives as paddle-wwm hub build writes them."
            )
        self._folder = folder
        self._known: dict[tuple, ServedArchive | str] = {}
        self._lock = threading.Lock()

    def archives(self) -> list[ServedArchive]:
        """Those that may be served; why the others are not is logged once."""
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
    """An archive, its checksum compared. Raises HubModuleError."""
    try:
        stated = _stated(path).read_text(encoding="utf-8").split()[:1]
    except (OSError, ValueError):
        raise HubModuleError(
            f"{path}: has no {_stated(path).name} beside it, so what it holds cannot be checked."
        ) from None
    found = sha256_of_file(path)
    if stated != [found]:
        said = " ".join(stated) or "nothing"
        raise HubModuleError(
            f"{path}: has the sha256 {found}, but {_stated(path).name} says {said}; copy or build it again."
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
            Version(info["version"])  # the shelf is in its order, and so is PaddleHub's
    except (tarfile.TarError, KeyError, UnicodeDecodeError, OSError, EOFError, InvalidVersion) as error:
        raise HubModuleError(f"{path}: is no module's archive: {error}.") from None
    return ServedArchive(
        path=path, name=info["name"], version=info["version"], summary=str(info.get("summary", "")), sha256=found
    )


def _stated(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def make_app(shelf: Shelf) -> Flask:
    """A Flask application that answers for a folder."""
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
        # `hub search` without a word asks for ".*"; other words are parts of names, not patterns
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
    """Serve a folder of archives until Ctrl-C or SIGTERM; port 0 takes a free one."""
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
