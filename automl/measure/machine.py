"""The machine and the runtime that figures are taken on, by name."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from automl.errors import UserError
from automl.runtimes.onnx import onnxruntime_version

SEPARATOR = ", onnxruntime "


def machine() -> dict[str, str]:
    """The system, processor, Python and onnxruntime of this process."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime_version(),
    }


def kind_of(known: dict[str, str]) -> str:
    """The kind of a machine, in words: figures of two kinds do not compare."""
    return f"{known['processor']}{SEPARATOR}{known['onnxruntime']}"


def processor_of(kind: str) -> str:
    """The processor of a kind of machine, of which the runtime's version is the other part."""
    return kind.rpartition(SEPARATOR)[0]


def chosen_kind(kinds: Sequence[str], before: str = "") -> tuple[str, tuple[str, ...]]:
    """The kind of machine that measures: that which has measured `before`, else that which most
    are of; and sentences on those left out, and on another version of the runtime.

    Raises UserError where the kind that has measured is not there.
    """
    like = [kind for kind in kinds if processor_of(kind) == processor_of(before)]
    if before and not like:
        raise UserError(
            f"the latency of this search was measured on {before}, and here is "
            f"{' and '.join(dict.fromkeys(kinds))}: figures of the two do not compare; go on where "
            "it was measured, or begin a new search, with --warm-start to learn from this one"
        )
    able = [kind for kind in like or kinds if kind == before] or like or kinds
    [(kind, count)] = Counter(able).most_common(1)
    told = []
    if count < len(kinds):
        others = ", ".join(dict.fromkeys(own for own in kinds if own != kind))
        told.append(
            f"latency is measured on {count} of {len(kinds)} machines, those with {kind}; figures "
            f"of others ({others}) would not compare"
        )
    if before and kind != before:
        told.append(f"latency is measured on {kind} now; up to now it was on {before}")
    return kind, tuple(told)


def _processor() -> str:
    info, board = Path("/proc/cpuinfo"), Path("/proc/device-tree/model")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    if board.exists():
        return board.read_text().strip("\0 ")
    return platform.processor() or platform.machine()
