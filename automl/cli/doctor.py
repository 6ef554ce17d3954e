"""What `automl doctor` finds: versions, devices, storage, ports and the plan."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from importlib.metadata import version

from automl.cluster import nodes, port_security, session
from automl.cluster.placement import Plan, Request, summarize_nodes
from automl.home import Home, make_writable

LIBRARIES = ("frontier-automl", "torch", "ray", "optuna", "mlflow", "onnx", "onnxruntime")
UI_PORT = 5000


def examine(
    home: Home, address: str | None, request: Request, num_workers: int = 0
) -> dict[str, str]:
    """Findings by subject, among them the plan for trials that take so much.

    Raises UserError when the home or the address is of no use, or not one trial fits.
    """
    import torch

    make_writable(home)
    if address is not None:
        session.probe(address)
    free = shutil.disk_usage(home.path).free
    findings = {name: version(name) for name in LIBRARIES}
    findings |= {
        "python": platform.python_version(),
        "processors": str(os.cpu_count()),
        "gpus": str(torch.cuda.device_count()),
        "runtimes": "onnxruntime",
        "home": f"{home.path}, {free / 1e9:.1f} GB free, store of at most "
        f"{home.store_limit_bytes / 1e9:g} GB",
        f"port {UI_PORT}": "in use; give `automl ui` another --port"
        if port_security.answers("127.0.0.1", UI_PORT)
        else "free",
    }
    # What listens here before our own cluster does.
    findings |= _open_ports(address)
    with session.connected(address):
        resources = nodes.resources()
    plan = Plan(request, num_workers, resources)
    plan.check()
    findings["cluster"] = summarize_nodes(resources)
    findings["plan"] = plan.summary()
    return findings


def _open_ports(address: str | None) -> dict[str, str]:
    """Ray's ports that others reach: on the cluster's host, and on this machine's network."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    names = dict.fromkeys((host, _own_address()))
    hosts = [name for name in names if name and not name.startswith(("127.", "localhost"))]
    found = port_security.findings(hosts, int(port or port_security.GCS_PORT))
    return found or {"ray's ports": "none is open to the network"}


def _own_address() -> str:
    """This machine's address in its network, "" when it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: this only chooses a way out.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])
