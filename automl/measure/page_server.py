"""A small server of one page, which works for us in a browser: it takes jobs, and sends results.

Only who knows the random part of its address is answered, and only under the address's own host.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from socketserver import BaseServer
from urllib.parse import parse_qs, urlsplit

from automl.errors import UserError

LOOPBACK = ("127.0.0.1", "localhost")
WAIT_SECONDS, POLL_SECONDS, LAST_SECONDS = 20.0, 0.2, 2.0
MAX_RESULT_BYTES = 1_000_000
HEADERS = {
    # A page that is isolated so gets a finer clock.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src data:; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}
KINDS = {
    "css": "text/css",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript",
    "json": "application/json",
    "mjs": "text/javascript",
    "wasm": "application/wasm",
}


class Jobs:
    """The job that a page is to do, and what it found; a page that is loaded anew does it again."""

    def __init__(self) -> None:
        self.number, self.job = 0, dict[str, object]()
        self.found: object = None
        self.was_heard, self.heard_at = False, time.monotonic()
        self.changed = threading.Condition()

    @property
    def silent_seconds(self) -> float:
        """The seconds since the page was heard of, or since it could be."""
        return time.monotonic() - self.heard_at

    def do(self, job: Mapping[str, object], check: Callable[[], None]) -> object:
        """Have the page do a job, and wait for what it finds; `check` is asked until then, and may
        raise."""
        with self.changed:
            self._next(job)
            while self.found is None:
                self.changed.wait(POLL_SECONDS)
                check()
            return self.found

    def end(self) -> None:
        """Tell the page that there is no job any more, and wait until it has heard."""
        with self.changed:
            self._next({"done": True})
            self.changed.wait_for(lambda: self.found is not None, LAST_SECONDS)

    def after(self, number: int) -> dict[str, object] | None:
        """The job behind the one of this number, once there is one; None after a while."""
        with self.changed:
            self.was_heard, self.heard_at = True, time.monotonic()
            if not self.changed.wait_for(lambda: self.number != number, WAIT_SECONDS):
                return None
            return {"number": self.number, **self.job}

    def take(self, number: int, found: object) -> None:
        """Take what a page found, unless another was faster."""
        with self.changed:
            self.was_heard, self.heard_at = True, time.monotonic()
            if number == self.number:
                self.found = found
                self.changed.notify_all()

    def _next(self, job: Mapping[str, object]) -> None:
        self.number, self.job, self.found = self.number + 1, dict(job), None
        self.changed.notify_all()


@contextmanager
def served(
    files: Mapping[str, Callable[[], bytes]], jobs: Jobs, host: str, port: int = 0
) -> Iterator[str]:
    """The address of a page, of whose files "" is the first. Raises UserError where the address
    cannot be listened to."""
    hosts = LOOPBACK if host in LOOPBACK else (host,)
    site = Site(files, jobs, hosts, secrets.token_urlsafe(16))
    try:
        server = ThreadingHTTPServer((host, port), partial(Handler, site))
    except OSError as error:
        raise UserError(
            f"cannot listen on {host} ({error.strerror or error}); give --host an address of this "
            "machine"
        ) from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}/{site.token}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Site:
    """The files of a page by name, "" for the page itself, its jobs, and who is answered: requests
    that name one of the hosts, and know the token."""

    files: Mapping[str, Callable[[], bytes]]
    jobs: Jobs
    hosts: tuple[str, ...]
    token: str


class Handler(BaseHTTPRequestHandler):
    """A request for a part of a site."""

    def __init__(self, site: Site, request: socket, address: object, server: BaseServer) -> None:
        self.site = site
        super().__init__(request, address, server)

    def do_GET(self) -> None:
        name, query = self._asked()
        if name == "next":
            job = self.site.jobs.after(int(query.get("after", ["0"])[0]))
            self._send(200 if job else 204, json.dumps(job).encode() if job else b"", "json")
        elif name is not None and name in self.site.files:
            self._send(200, self.site.files[name](), (name or "page.html").rpartition(".")[2])
        elif name is not None:
            self._send(404)

    def do_POST(self) -> None:
        name, _ = self._asked()
        length = int(self.headers.get("Content-Length", 0))
        if name is None:
            return
        if name != "result" or length > MAX_RESULT_BYTES:
            self._send(404)
            return
        told = json.loads(self.rfile.read(length))
        self.site.jobs.take(told["number"], told["found"])
        self._send(204)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""

    def _asked(self) -> tuple[str | None, dict[str, list[str]]]:
        """The name behind the token, and the query; None where the request is not for us."""
        asked = urlsplit(self.path)
        own = f"/{self.site.token}/"
        named = (self.headers.get("Host") or "").rpartition(":")[0]
        if named not in self.site.hosts or not asked.path.startswith(own):
            self._send(403)
            return None, {}
        return asked.path.removeprefix(own), parse_qs(asked.query)

    def _send(self, status: int, content: bytes = b"", kind: str = "") -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", KINDS.get(kind, "application/octet-stream"))
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
