"""A cluster of raylets on this machine: each with a working directory, a session and a log."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from automl.cluster.own_ray import SLOW_START

BIN = Path(sys.executable).parent
TOKEN = "of-this-test-alone"
NOTICED_SOON = {
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}
"""As deploy/README.md has it: a node that is gone is noticed in seconds."""


class Cluster:
    """A head, and nodes that come and go; all are ended at the end, by process id."""

    def __init__(self, folder, token=TOKEN, dashboard_port=None, network="127.0.0", **extra):
        self.folder, self.port, self.network = Path(folder), free_port(), network
        self.address, self.nodes = f"{network}.1:{self.port}", []
        self.environment = {**os.environ, **NOTICED_SOON, **extra}
        self.environment["PATH"] = f"{BIN}:{self.environment['PATH']}"
        self.environment.pop("RAY_AUTH_TOKEN", None)
        self.environment["RAY_AUTH_MODE"] = "token" if token else "disabled"
        if token:
            self.environment["RAY_AUTH_TOKEN"] = token
        # A test's own folder is too long a path for Ray's sockets.
        self.sockets = tempfile.TemporaryDirectory(prefix="ray", dir="/tmp")
        self.dashboard_port, self.of_head = dashboard_port, ()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in reversed(self.nodes):
            kill(node)
        with contextlib.suppress(OSError):
            self.sockets.cleanup()

    def add(self, *options, num_cpus=1, prefix=(), **extra):
        """Start a node, the first the head, and wait until the cluster has it."""
        folder = self.folder / f"node{len(self.nodes)}"
        folder.mkdir(parents=True)
        if self.nodes:
            start = [f"--address={self.address}"]
        else:
            self.of_head = prefix
            start = ["--head", f"--port={self.port}", f"--temp-dir={self.sockets.name}"]
            start += ["--include-dashboard=false"]
            if self.dashboard_port:
                start[-1:] = ["--include-dashboard=true", f"--dashboard-port={self.dashboard_port}"]
                start += [f"--dashboard-agent-listen-port={free_port()}"]
        common = [f"--num-cpus={num_cpus}", "--block", "--disable-usage-stats"]
        command = [*prefix, BIN / "ray", "start", *start, *common, *options]
        command = [*map(str, command), f"--node-ip-address={self.network}.{len(self.nodes) + 1}"]

        def start():
            with (folder / "log").open("w") as log:
                return subprocess.Popen(
                    command,
                    cwd=folder,
                    env={**self.environment, **extra},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

        self.nodes.append(start())
        self._wait(sum(node.poll() is None for node in self.nodes), folder / "log", start)
        return self.nodes[-1]

    def _wait(self, count, log, start):
        """Wait until the cluster has as many; the last is begun anew where its machine was slow."""
        code = (
            "import ray, sys; ray.init(sys.argv[1], log_to_driver=False);"
            "sys.exit(sum(node['Alive'] for node in ray.nodes()) < int(sys.argv[2]))"
        )
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            command = [*self.of_head, sys.executable, "-c", code, self.address, str(count)]
            with contextlib.suppress(subprocess.TimeoutExpired):
                if not subprocess.run(
                    command, env=self.environment, timeout=60, capture_output=True
                ).returncode:
                    return
            if self.nodes[-1].poll() is not None and SLOW_START in log.read_text():
                self.nodes[-1] = start()
            time.sleep(0.5)
        raise AssertionError(f"no {count} nodes at {self.address}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def processes(session, title=""):
    """The ids of a session's live processes whose command holds a text."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, sid = stat.read_text().rsplit(")", 1)[1].split()[:4]
            command = (
                stat.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
            if int(sid) == session and state != "Z" and title in command:
                found.append(int(stat.parent.name))
    return found


def send(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def kill(node):
    """Kill -9 of all that a node runs."""
    send(processes(node.pid), signal.SIGKILL)
    node.wait()


def automl(*arguments, cwd, env, timeout=None):
    command = [BIN / "automl", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout
    )
