"""`paddle-wwm hub serve`: serve modules over HTTP, on this machine only, with PaddleHub's protocol.

    POST /predict/NAME   {"data": [...], …}   ─► {"status": "000", "msg": "", "results": [...]}
                                                 msg: how many texts were too long and were cut
    GET  /                                    ─► {"modules": {NAME: {"version": …, "task": …}}}

Unlike `hub serving`, it binds to 127.0.0.1, limits the size of a request and the number of waiting requests, reports
every error as JSON with an HTTP status, and takes the task, checkpoint and labels of its modules from the command line.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from typing import TYPE_CHECKING, Any, Iterator, Mapping

from .answer_limits import MAX_ANSWER_BYTES
from .http import new_app, serve_app
from .inputs import TextsCutWarning
from .installed import is_user_error, load_installed

if TYPE_CHECKING:
    from flask import Flask, Response

MAX_BODY_BYTES = 2 << 20  # three bytes per character, escapes, and some reserve
MAX_WAITING = 32
MAX_MESSAGE = 2000  # characters: messages contain the wrong value, which may be as long as the request
OK, FAILED, NO_SUCH_MODULE, NOT_JSON = "000", "101", "111", "112"  # PaddleHub's status codes


def make_app(modules: Mapping[str, Any]) -> Flask:
    """Return a Flask application for modules by name.

    It computes one request at a time.
    """
    from flask import request
    from werkzeug.exceptions import HTTPException

    app = new_app()
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    computing, waiting = threading.Lock(), threading.BoundedSemaphore(MAX_WAITING)

    def refusal(status: str, message: str, *, code: int) -> tuple[dict[str, Any], int]:
        shown = message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]} …"
        return {"status": status, "msg": shown, "results": ""}, code

    @app.get("/")
    def index() -> dict[str, Any]:
        return {
            "modules": {name: {"version": str(module.version), "task": module.task} for name, module in modules.items()}
        }

    @app.post("/predict/<name>")
    def predict(name: str) -> Response | tuple[dict[str, Any], int]:
        if name not in modules:
            return refusal(NO_SUCH_MODULE, f"Unknown module {name!r}; available: {', '.join(modules)}.", code=404)
        if not request.is_json:
            return refusal(NOT_JSON, "The request must have the content type application/json.", code=415)
        try:
            body = request.get_json()
        except RecursionError:
            return refusal(FAILED, "The JSON is nested too deeply.", code=400)
        if not isinstance(body, dict) or "data" not in body:
            return refusal(FAILED, 'The request must be a JSON object such as {"data": ["text"]}.', code=400)
        if not waiting.acquire(blocking=False):
            return refusal(FAILED, f"{MAX_WAITING} requests are waiting already; try again later.", code=503)
        try:
            with computing, noted_cuts() as cuts:
                results = modules[name].predict_method(**body)
            answer = app.json.dumps({"status": OK, "msg": " ".join(cuts), "results": results})
            num_bytes = len(answer.encode())
            if num_bytes > MAX_ANSWER_BYTES:
                too_large = (
                    f"The answer would have {num_bytes:,} bytes, of {MAX_ANSWER_BYTES:,} at most; send fewer texts."
                )
                return refusal(FAILED, too_large, code=413)
            return app.response_class(answer, mimetype="application/json")
        except Exception as error:
            if is_user_error(error):
                return refusal(FAILED, str(error), code=400)
            raise
        finally:
            waiting.release()

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> tuple[dict[str, Any], int]:
        return refusal(FAILED, f"{error.name}: {error.description}", code=error.code or 500)

    @app.errorhandler(Exception)
    def failed(error: Exception) -> tuple[dict[str, Any], int]:
        app.logger.exception("a request failed")
        return refusal(FAILED, f"{type(error).__name__} in the module; the server's log has the details.", code=500)

    return app


@contextlib.contextmanager
def noted_cuts() -> Iterator[list[str]]:
    """Yield a list that gets the warnings about cut texts when the block ends.

    All warnings are also shown as usual. Only one thread at a time may be inside, because Python keeps the state of
    warnings per process.
    """
    cuts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        yield cuts
    for one in caught:
        warnings.showwarning(one.message, one.category, one.filename, one.lineno)
        # a module from an archive has its own copy of the class
        if one.category.__name__ == TextsCutWarning.__name__:
            cuts.append(str(one.message))


def load_modules(names: list[str], **options: Any) -> dict[str, Any]:
    """Load installed modules by name, or modules from folders.

    Raises:
        HubModuleError: A module cannot be loaded.
    """
    modules = [load_installed(name, **options) for name in names]
    return {module.name: module for module in modules}


def serve(modules: Mapping[str, Any], *, host: str, port: int) -> None:
    """Serve modules until Ctrl-C or SIGTERM; port 0: any free port."""

    def describe(address: str) -> list[str]:
        return [
            f"serving {name} {module.version}, task {module.task}: {address}/predict/{name}"
            for name, module in modules.items()
        ]

    serve_app(make_app(modules), host=host, port=port, describe=describe)
