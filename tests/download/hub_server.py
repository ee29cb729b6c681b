"""A small hub on the loopback interface, with metadata, redirects to storage and ranges. It can simulate faults.

GET       /api/models/OWNER/NAME/revision/REVISION      the commit and the files with their sizes and checksums
HEAD GET  /OWNER/NAME/resolve/REVISION/FILE             a small file, or for a large file a redirect to /storage
GET       /storage/SHA256                               the bytes of a large file, or a range of them
HEAD GET  /files/NAME                                   any other file, with an ETag
GET       /api/v1/models/OWNER/NAME/repo[/files]        a file or the files of a repository, in the form of ModelScope
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request, the status of its answer, and the number of bytes of the body that were sent."""

    method: str
    path: str
    range: str | None
    authorization: str | None
    status: int
    num_bytes: int


@dataclass(kw_only=True)
class Faults:
    """The simulated faults.

    Args:
        cuts: file or "metadata" -> for each answer, the number of bytes after which the connection is closed.
        statuses: (status, headers) of the next answers.
        bodies: file -> for each answer, the bytes that are sent instead.
        silent: paths that are never answered.
    """

    cuts: dict[str, deque] = field(default_factory=dict)
    statuses: deque = field(default_factory=deque)
    bodies: dict[str, deque] = field(default_factory=dict)
    silent: re.Pattern | None = None


class HubServer(ThreadingHTTPServer):
    """The server. `repositories`: name -> file name -> bytes. `moved`: old name -> new name."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.moved: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.revisions: set[str] = {"main", COMMIT}
        self.faults = Faults()
        self.requests: list[Request] = []
        self.states_details = True  # sizes and checksums in the metadata; some mirrors have none
        self.states_checksums = True
        self.metadata_body: bytes | None = None  # sent instead of the metadata
        self.knows_ranges = True
        self.compresses: bool | str = False  # compress small files if the client accepts it; or "always"
        self.encoding: str | None = None  # stated for a file that is sent as it is
        self.head = "all"  # headers of answers to HEAD: "all", "none" (no size, no checksum), or "error" (status 405)
        self.states_etags = True  # in answers to GET
        self.delay_s = 0.0  # wait before each body
        self.loops: re.Pattern | None = None  # paths that redirect to themselves
        self.modelscope: dict[str, dict[str, bytes]] = {}  # repositories in the form of ModelScope
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore closed connections: a client closes its connection after a simulated fault."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def stop(self) -> None:
        """Stop the server and its thread."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        self.thread.join()

    def sent(self, name: str) -> list[Request]:
        """Return the GET requests that were answered with bytes of a file."""
        digests = {hashlib.sha256(files[name]).hexdigest() for files in self.repositories.values() if name in files}
        ends = (f"/{name}", *(f"/storage/{digest}" for digest in digests))
        return [
            one for one in self.requests if one.method == "GET" and one.path.endswith(ends) and one.status in (200, 206)
        ]


def checksum_of(content: bytes) -> str:
    """Return the checksum that a hub states: the sha256 of a large file, the git blob sha1 of a small file."""
    if len(content) > LARGE_BYTES:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self) -> None:
        server, path = self.server, urlsplit(self.path).path  # a request to a proxy has a full address
        if server.faults.silent and server.faults.silent.search(path):
            server.stopping.wait(30)
            self.close_connection = True
        elif self.command == "HEAD" and server.head == "error":
            self.reply(405)
        elif server.loops and server.loops.search(path):
            self.reply(302, headers={"Location": self.path})
        elif server.faults.statuses:
            status, headers = server.faults.statuses.popleft()
            self.reply(status, headers=headers)
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/([^/]+)", path):
            self.metadata(*match.groups())
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/([^/]+)", path):
            self.file(*match.groups())
        elif match := re.fullmatch(r"/storage/(\w+)", path):
            stored = {
                hashlib.sha256(body).hexdigest(): (name, body)
                for files in server.repositories.values()
                for name, body in files.items()
            }
            self.content(*stored[match[1]], headers={"ETag": f'"{match[1]}"'})
        elif match := re.fullmatch(r"/api/v1/models/([^/]+/[^/]+)/repo(/files)?", path):
            self.modelscope(match[1], is_list=bool(match[2]))
        elif (match := re.fullmatch(r"/files/([^/]+)", path)) and match[1] in server.files:
            body = server.files[match[1]]
            self.content(match[1], body, headers={"ETag": f'"{hashlib.sha256(body).hexdigest()}"'})
        else:
            self.reply(404)

    def metadata(self, repository: str, revision: str) -> None:
        server = self.server
        if repository in server.moved:
            return self.reply(307, headers={"Location": f"/api/models/{server.moved[repository]}/revision/{revision}"})
        if repository not in server.repositories:
            return self.reply(404, headers={"X-Error-Code": "RepoNotFound"})
        if revision not in server.revisions:
            return self.reply(404, headers={"X-Error-Code": "RevisionNotFound"})
        if server.metadata_body is not None:
            return self.reply(200, server.metadata_body)
        siblings: list[dict[str, Any]] = [{"rfilename": name} for name in server.repositories[repository]]
        if server.states_details:
            for sibling, content in zip(siblings, server.repositories[repository].values()):
                sibling |= {
                    "size": len(content),
                    "blobId": checksum_of(b"pointer" if len(content) > LARGE_BYTES else content),
                }
                if len(content) > LARGE_BYTES:
                    sibling["lfs"] = {"sha256": checksum_of(content), "size": len(content), "pointerSize": 134}
        body = json.dumps({"id": repository, "sha": COMMIT, "siblings": siblings}).encode()
        cut = server.faults.cuts["metadata"].popleft() if server.faults.cuts.get("metadata") else None
        self.reply(200, body, headers={"Content-Type": "application/json"}, cut=cut)

    def modelscope(self, repository: str, *, is_list: bool) -> None:
        """Answer like ModelScope, as its client (modelscope/hub/api.py and file_download.py) expects."""
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        files = self.server.modelscope.get(repository)
        if files is None or query.get("Revision") not in ("master", "v1.0.0"):
            what = "record not found" if files is None else "revision not found"
            return self.json(404, {"Code": 10010205001, "Message": what, "RequestId": "r", "Success": False})
        if is_list:
            listing = [{"Name": "sub", "Path": "sub", "Type": "tree", "Size": 0, "Sha256": "", "Revision": "f" * 40}]
            listing += [
                {
                    "Name": name,
                    "Path": name,
                    "Type": "blob",
                    "Size": len(content),
                    "Sha256": hashlib.sha256(content).hexdigest(),
                    "Revision": COMMIT,
                    "IsLFS": len(content) > LARGE_BYTES,
                }
                for name, content in files.items()
            ]
            return self.json(200, {"Code": 200, "Data": {"Files": listing}, "Message": "success", "Success": True})
        name = query.get("FilePath", "")
        if name not in files:
            return self.json(404, {"Code": 10010205001, "Message": "file not found", "Success": False})
        self.content(name, files[name], headers={"ETag": f'"{hashlib.md5(files[name]).hexdigest()}"'})

    def json(self, status: int, values: dict[str, Any]) -> None:
        """Send a JSON object."""
        self.reply(status, json.dumps(values).encode(), headers={"Content-Type": "application/json"})

    def file(self, repository: str, revision: str, name: str) -> None:
        server = self.server
        if repository in server.moved:
            return self.reply(307, headers={"Location": f"/{server.moved[repository]}/resolve/{revision}/{name}"})
        content = server.repositories.get(repository, {}).get(name)
        if content is None:
            return self.reply(404, headers={"X-Error-Code": "EntryNotFound"})
        etag = checksum_of(content) if server.states_checksums else f"{len(content):x}-abc"
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"'}
        if len(content) <= LARGE_BYTES:
            return self.content(name, content, headers=headers)
        digest = hashlib.sha256(content).hexdigest()
        headers |= {
            "X-Linked-ETag": f'"{etag}"',
            "X-Linked-Size": str(len(content)),
            "X-Xet-Hash": "f" * 64,
            "X-Xet-Refresh-Route": "/x",
        }
        self.reply(302, headers={**headers, "Location": f"{server.url}/storage/{digest}"})

    def content(self, name: str, content: bytes, *, headers: dict[str, str]) -> None:
        """Send a file or a range of it, with the simulated faults."""
        faults, start, status = self.server.faults, 0, 200
        if self.command == "GET" and faults.bodies.get(name):
            content = faults.bodies[name].popleft()
        if (
            (asked := self.headers.get("Range"))
            and self.server.knows_ranges
            and self.headers.get("If-Range") in (None, headers["ETag"])
        ):
            start = int(re.fullmatch(r"bytes=(\d+)-\d*", asked)[1])  # the end is always that of the file
            if start >= len(content):
                return self.reply(416, headers={"Content-Range": f"bytes */{len(content)}"})
            status, headers = 206, {**headers, "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        body = content[start:]
        if (
            self.server.compresses
            and status == 200
            and len(body) <= LARGE_BYTES
            and ("gzip" in self.headers.get("Accept-Encoding", "") or self.server.compresses == "always")
        ):
            body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
        if self.server.encoding:
            headers = {**headers, "Content-Encoding": self.server.encoding}
        cut = faults.cuts[name].popleft() if self.command == "GET" and faults.cuts.get(name) else None
        time.sleep(self.server.delay_s)
        self.reply(status, body, headers=headers, cut=cut)

    def reply(
        self, status: int, body: bytes = b"", *, headers: dict[str, str] | None = None, cut: int | None = None
    ) -> None:
        """Send an answer. If `cut` is given, send only this many bytes of the body and close the connection."""
        sent = b"" if self.command == "HEAD" else body[:cut]
        record = {
            "range": self.headers.get("Range"),
            "authorization": self.headers.get("Authorization"),
            "status": status,
        }
        self.server.requests.append(Request(method=self.command, path=self.path, num_bytes=len(sent), **record))
        self.send_response(status)
        is_bare = self.command == "HEAD" and self.server.head == "none"
        for name, value in (headers or {}).items():
            if name == "Location" or not (is_bare or (name == "ETag" and not self.server.states_etags)):
                self.send_header(name, value)
        if not is_bare:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(sent)
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True
