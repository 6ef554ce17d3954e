"""Energy that calls take, from the counters of a processor (RAPL) or of a GPU (NVML)."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
NVML = "libnvidia-ml.so.1"
LEAST_SECONDS = 1.0
"""Counters move in steps of a millisecond or more."""


@dataclass(frozen=True)
class Reading:
    """A figure, or the reason why there is none."""

    value: float | None
    why_none: str = ""


def energy_mj(call: Callable[[], object], on_gpu: bool = False, root: Path = POWERCAP) -> Reading:
    """Millijoules of a call: those of the whole processor or GPU meanwhile, also what is idle."""
    counter = _gpu_counter() if on_gpu else _processor_counter(root)
    if isinstance(counter, str):
        return Reading(None, counter)
    before, started, num_calls = counter(), time.perf_counter(), 0
    while time.perf_counter() - started < LEAST_SECONDS:
        call()
        num_calls += 1
    spent = counter() - before
    if spent <= 0:
        return Reading(None, "the energy counter did not move forward")
    return Reading(spent / num_calls)


def _processor_counter(root: Path) -> Callable[[], float] | str:
    """The millijoules that all packages of the processor have taken, or why that is not known."""
    # Other domains, as of the whole platform or of the cores, contain packages or are in them.
    named = sorted(root.glob("*-rapl:*/name"))
    packages = [name.parent for name in named if name.read_text().startswith("package-")]
    files = [package / "energy_uj" for package in packages]
    if not files:
        return f"there is no energy counter of the processor under {root}"
    try:
        for file in files:
            file.read_text()
    except OSError as error:
        return f"{error.filename} cannot be read ({error.strerror}): it is for root alone"
    return lambda: sum(int(file.read_text()) for file in files) / 1e3


def _gpu_counter() -> Callable[[], float] | str:
    """The millijoules that the first GPU has taken, or why that is not known."""
    try:
        nvml = ctypes.CDLL(NVML)
    except OSError:
        return f"{NVML} is not here, which reads a GPU's energy counter"
    device, taken = ctypes.c_void_p(), ctypes.c_ulonglong()
    codes = nvml.nvmlInit_v2(), nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device))
    if any(codes) or nvml.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(taken)):
        return "this GPU has no energy counter"

    def read() -> float:
        nvml.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(taken))
        return float(taken.value)

    return read
