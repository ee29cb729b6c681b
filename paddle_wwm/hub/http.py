"""The code that both servers share: a JSON application, and serving until a signal."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Callable, Sequence

if TYPE_CHECKING:
    from flask import Flask

logger = logging.getLogger(__name__)
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def new_app() -> Flask:
    """Return a Flask application without routes; its JSON keeps Chinese readable."""
    from flask import Flask
    from flask.json.provider import DefaultJSONProvider

    app = Flask(__package__ or __name__)
    if isinstance(app.json, DefaultJSONProvider):
        app.json.ensure_ascii = False
    return app


def serve_app(app: Flask, *, host: str, port: int, describe: Callable[[str], Sequence[str]]) -> None:
    """Serve an application until Ctrl-C or SIGTERM.

    Args:
        app: The application.
        host: The address to bind to. A warning is logged if other machines can reach it.
        port: The port; 0: any free port.
        describe: Returns the lines to log when the server is ready; it gets the address http://HOST:PORT.
    """
    from werkzeug.serving import make_server

    server = make_server(host, port, app, threaded=True)
    for line in describe(f"http://{host}:{server.server_port}"):
        logger.info("%s", line)
    if host not in LOOPBACK:
        logger.warning(
            "%s can be reached by other machines, and all of them can use this server: there is no authentication and "
            "no encryption.",
            host,
        )
    server.serve_forever()
