"""A PostgreSQL of a test's own, from the system's packages, on a port of its own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest


class Server:
    """Started and ended as often as a test wants; what it holds stays."""

    def __init__(self, binaries, folder):
        self.binaries, self.folder = binaries, folder
        self.process = None
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self._run(binaries / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust")

    @property
    def url(self):
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self):
        options = ["-k", str(self.folder), "-p", str(self.port), "-c", "fsync=off"]
        command = [self.binaries / "postgres", "-D", self.folder / "data", *options]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **_as_postgres())
        deadline = time.monotonic() + 120
        while not self._is_ready():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.1)

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()

    def _is_ready(self):
        ready = [self.binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready).returncode == 0

    def _run(self, *command):
        subprocess.run(command, check=True, capture_output=True, **_as_postgres())


def _as_postgres():
    """It refuses to run as root."""
    if os.getuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": "/"}


@contextlib.contextmanager
def running():
    """A server that runs; the test is skipped where PostgreSQL or its driver is not installed."""
    pytest.importorskip("psycopg", reason="the driver psycopg is not installed")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    binary = shutil.which("initdb") or (found and found[-1])
    if not binary:
        pytest.skip("the system has no PostgreSQL")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    try:
        server = Server(Path(binary).resolve().parent, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
