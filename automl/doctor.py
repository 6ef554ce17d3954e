"""What `automl doctor` finds: versions, devices, storage, ports and the plan."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from importlib.metadata import version

from automl.cluster import controller, session
from automl.cluster.resources import Request, plan_slots
from automl.home import Home, make_writable

LIBRARIES = ("frontier-automl", "torch", "ray", "optuna", "mlflow", "onnx", "onnxruntime")
UI_PORT = 5000


def examine(home: Home, address: str | None) -> dict[str, str]:
    """Findings by subject. Raises UserError when the home or the address is of no use."""
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
        if _answers(UI_PORT)
        else "free",
    }
    with session.connected(address):
        resources = controller.cluster_resources()
        slots = plan_slots(Request(), 0, resources)
    findings["cluster"] = f"{resources.get('CPU', 0):g} CPUs, {resources.get('GPU', 0):g} GPUs"
    findings["plan"] = f"{slots} trials at once, each with 1 CPU"
    return findings


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
