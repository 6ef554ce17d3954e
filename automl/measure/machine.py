"""The machine and the runtime that figures are taken on, by name."""

from __future__ import annotations

import platform
from pathlib import Path

from automl.runtimes.onnx import VERSION


def machine() -> dict[str, str]:
    """The system, processor, Python and onnxruntime of this process."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "python": platform.python_version(),
        "onnxruntime": VERSION,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()
