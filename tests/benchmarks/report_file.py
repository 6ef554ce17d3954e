"""Reports of benchmarks: where their files stand, and what stands in each beside its figures."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from automl.measure.machine import machine

RESULTS = Path(__file__).parent / "results"
ABOUT = ("versions", "machine", "date")
"""What `write` adds to each report."""


def path(name: str, is_small: bool = False) -> Path:
    """The file of a benchmark's report; that of a small run stands apart, where git ignores it."""
    return (RESULTS / "small" if is_small else RESULTS) / f"{name}.json"


def parts(file: Path) -> dict[str, Any]:
    """The parts that a report holds, without its summary; none where there is no file."""
    found = json.loads(file.read_text()) if file.exists() else {}
    return {name: part for name, part in found.items() if name not in ("summary", *ABOUT)}


def write(
    file: Path,
    report: Mapping[str, Any],
    packages: Sequence[str] = ("torch", "onnxruntime"),
    indent: int | None = 1,
) -> None:
    """Write a report whole or not at all: a summary and parts, as given, then the versions of
    packages, the machine and the date. A large one takes less room without an indent."""
    whole = {
        **report,
        "versions": {name: version(name) for name in packages},
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
    }
    file.parent.mkdir(exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(whole, indent=indent) + "\n")
    new.replace(file)
