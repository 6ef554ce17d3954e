"""An exported model as a small HTTP server, with a page to try it by hand."""

from __future__ import annotations

import contextlib
import json
import mimetypes
import re
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import HTMLResponse

from automl.errors import UserError
from automl.predictor.model import Model
from automl.predictor.request_schema import described, operation
from automl.predictor.script import every_answer
from automl.web.folder import PAGE_FILES, PAGES

ENDING = re.compile(r"(\.[a-z0-9]{1,8}(?=\.(gz|bz2|xz)$))?\.[a-z0-9]{1,8}$", re.I)
LOOPBACK = ("127.0.0.1", "localhost")
DOCS = Path(__file__).parent / "pages" / "docs.html"
# A page takes nothing from elsewhere, and sends nothing there.
POLICY = "default-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; frame-ancestors 'none'"


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises UserError where the port cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise UserError(
            f"port {port} of {host} cannot be used ({error.strerror or error}); "
            "choose another with --port"
        ) from None
    return listening


def serve(model: Model, listening: socket.socket, max_bytes: int) -> None:
    """Answer requests until Ctrl-C."""
    host = str(listening.getsockname()[0])
    # Without a lifespan, whose task would end with a traceback on Ctrl-C.
    config = uvicorn.Config(
        application(model, max_bytes, host), log_level="warning", lifespan="off"
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def application(model: Model, max_bytes: int, host: str = LOOPBACK[0]) -> FastAPI:
    """The server's application. On a loopback host it answers no other host names, behind which
    a page elsewhere could ask it."""
    # FastAPI's own pages load their code from another server.
    app = FastAPI(title=f"Model {model.folder.name}", docs_url=None, redoc_url=None)
    hosts = list(LOOPBACK) if host in LOOPBACK else ["*"]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)

    _add_page(app)

    @app.get("/health", summary="Tell that the server answers")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/model", summary="Tell what rows the model takes and what it answers")
    def about() -> dict[str, object]:
        return described(model).as_json()

    @app.post("/predict", summary="Predict rows", openapi_extra=operation(model))
    async def predict(request: Request, name: str = "") -> dict[str, object]:
        body = await _body(request, max_bytes)
        kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
        try:
            return await run_in_threadpool(_answer, model, body, kind, name)
        except UserError as error:
            raise HTTPException(422, _as_utf8(str(error))) from None

    return app


def _add_page(app: FastAPI) -> None:
    """Add the page to try the model, and the one that tells how it is asked, to an application."""

    @app.middleware("http")
    async def keep_to_itself(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def page() -> str:
        return (PAGES / "try.html").read_text(encoding="utf-8")

    @app.get("/{part}.css", include_in_schema=False)
    @app.get("/{part}.js", include_in_schema=False)
    def part_of_page(request: Request) -> Response:
        return _part(request.url.path.removeprefix("/"))

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    def docs() -> str:
        return DOCS.read_text(encoding="utf-8")


def _part(name: str) -> Response:
    """A part of the page. Raises HTTPException where it has none of this name."""
    files = {**{part: part for part in PAGE_FILES}, "ask.js": "ask_server.js"}
    if name not in files:
        raise HTTPException(404, f"there is no {name}")
    kind = "text/css" if name.endswith(".css") else "text/javascript"
    return Response((PAGES / files[name]).read_text(encoding="utf-8"), media_type=kind)


async def _body(request: Request, max_bytes: int) -> bytes:
    """The body of a request. Raises HTTPException where it is larger than allowed."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > max_bytes:
            raise HTTPException(
                413,
                f"the body is larger than {max_bytes:,} bytes; send fewer rows, or start the "
                "server with a larger --max-mb",
            )
    return bytes(body)


def _answer(model: Model, body: bytes, content_type: str, name: str) -> dict[str, object]:
    """The predictions for a body of JSON, or for one that is a file. Raises UserError."""
    has_classes = bool(model.classes)
    if content_type == "application/json" and not name:
        return every_answer(model, _rows(model, body), has_classes)
    if content_type == "multipart/form-data":
        raise UserError("send the file itself as the body: curl --data-binary @FILE")
    suffix = _ending(name) or mimetypes.guess_extension(content_type) or ""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"body{suffix}")
        file.write_bytes(body)
        try:
            found = every_answer(model, file, has_classes)
        except UserError as error:
            # The name under which the file lies here means nothing to who sent it.
            raise UserError(str(error).replace(str(file), name or "the body")) from None
    return _renamed(found, str(file), name or "the body")


def _ending(name: str) -> str:
    """The ending of a file's name, that of its packing with it; "" of a name with none that is
    plain letters and digits."""
    found = ENDING.search(name)
    return found[0] if found else ""


def _rows(model: Model, body: bytes) -> object:
    """The rows in a body of JSON. Raises UserError on a body of another form."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the body is no JSON: {error}; correct it") from None
    rows = sent.get("rows") if isinstance(sent, dict) else None
    if not isinstance(rows, list) or not rows:
        raise UserError('the body holds no rows; send {"rows": [...]}')
    # A text would be taken for the path of a file on this machine.
    if model.form.kind != "text" and any(isinstance(row, str) for row in rows):
        raise UserError("a row is a text; send an object or numbers, or a file as the body")
    return rows


def _renamed(found: dict[str, object], file: str, name: str) -> dict[str, object]:
    """Predictions under the name that a file had where it was sent, those of an archive's files
    with their place in it."""
    predictions = found["predictions"]
    assert isinstance(predictions, list)
    for row in predictions:
        if isinstance(row["row"], str):
            row["row"] = _as_utf8(name + row["row"].removeprefix(file))
    return found


def _as_utf8(text: str) -> str:
    """A text that an answer can hold: what a row or a file's name holds may be no UTF-8."""
    return text.encode(errors="backslashreplace").decode()
