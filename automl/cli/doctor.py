"""The command that examines this machine, the home and the cluster, and tells the plan."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from collections.abc import Sequence
from importlib.metadata import version

from automl.cli import render
from automl.cli.parameters import HomeOption, JsonOption, home_of, takes_options
from automl.cluster.placement import Plan, Request, summarize_nodes
from automl.engine.search_options import AUTO, read
from automl.home import Home, make_writable

LIBRARIES = ("frontier-automl", "torch", "ray", "optuna", "mlflow", "onnx", "onnxruntime")
UI_PORT = 5000


@takes_options("doctor")
def doctor(*, home: HomeOption = None, as_json: JsonOption = False, **given: object) -> None:
    """Tell versions, devices, storage, open ports, and how many trials would run at once."""
    options, new = read("doctor", given)
    num_workers = new.workers_per_trial or 0
    findings = examine(home_of(home), options.address, options.request(), num_workers)
    if options.gpus_per_trial == AUTO:
        findings["gpu share"] = "a whole GPU here; a search finds it from its largest model"
    if as_json:
        render.as_json(findings)
    else:
        for subject, finding in findings.items():
            print(f"{subject:16} {finding}")


def examine(home: Home, address: str | None, request: Request, num_workers: int) -> dict[str, str]:
    """Findings by subject, among them the plan for trials that each take `request`.

    `num_workers` is 0 for trials of one process. Raises UserError when the home or the address
    is of no use, or when not one trial fits.
    """
    import torch

    from automl.cluster import nodes, port_security, session

    make_writable(home)
    if address is not None:
        session.probe(address)
    free = shutil.disk_usage(home.path).free
    findings = {name: version(name) for name in LIBRARIES}
    findings |= {
        "python": platform.python_version(),
        "processors": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.1f} GB",
        "gpus": str(torch.accelerator.device_count()),
        "runtimes": "onnxruntime",
        "home": f"{home.path}, {free / 1e9:.1f} GB free, store of at most "
        f"{home.store_limit_bytes / 1e9:g} GB",
        f"port {UI_PORT}": "in use; give `automl ui` another --port"
        if port_security.answers("127.0.0.1", UI_PORT)
        else "free",
    }
    # Looked at first: our own cluster opens ports, too.
    findings |= _open_ports(address)
    with session.connected(address):
        resources = nodes.resources()
        cards = nodes.card_bytes(request.gpu_type) if request.gpus else []
    plan = Plan(request, [num_workers], resources)
    plan.check()
    findings["cluster"] = summarize_nodes(resources)
    if request.gpus:
        findings["gpu memory"] = _memory(cards)
    findings["plan"] = plan.summary()
    return findings


def _memory(cards: Sequence[int]) -> str:
    """The memories of GPUs in words, like ones together."""
    sizes = [f"{card / 1e9:.1f} GB" for card in cards]
    counts = [f"{sizes.count(size)} of {size}" for size in dict.fromkeys(sizes)]
    return ", ".join(counts) or "not told by any GPU of the cluster"


def _open_ports(address: str | None) -> dict[str, str]:
    """Ray's ports that others reach: on the cluster's host, and on this machine's network."""
    from automl.cluster import port_security, session

    address = "" if address in session.NO_HOST else address
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    names = dict.fromkeys((host, _own_address()))
    hosts = [name for name in names if name and not name.startswith(("127.", "localhost"))]
    found = port_security.findings(hosts, int(port or port_security.GCS_PORT))
    return found or {"ray's ports": "none is open to the network"}


def _own_address() -> str:
    """This machine's address in its network; "" when it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: this only chooses a way out.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])
