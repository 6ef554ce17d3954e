"""Processor time and memory that a trial takes of the process that runs it."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

PROCESS = Path("/proc/self")


@dataclass(frozen=True)
class UsageFigures:
    """Processor seconds, and the most memory that was resident, torch and Ray included.

    The memory is None where the system cannot tell that of one trial.
    """

    cpu_seconds: float
    peak_memory_mb: float | None

    def by_name(self) -> dict[str, float]:
        """The figures that are known, as a trial's result keeps them."""
        return {name: value for name, value in vars(self).items() if value is not None}


class ProcessUsage:
    """Usage of this process from now on; the process runs one trial at a time."""

    def __init__(self) -> None:
        self.cpu_seconds = time.process_time()
        self.has_peak = False
        # Linux: the peak goes back to what is held now. Elsewhere it is that of all trials so far.
        with contextlib.suppress(OSError):
            (PROCESS / "clear_refs").write_text("5")
            self.has_peak = True

    def figures(self) -> UsageFigures:
        """The usage so far."""
        peak_mb = _peak_memory_mb() if self.has_peak else None
        return UsageFigures(time.process_time() - self.cpu_seconds, peak_mb)


def _peak_memory_mb() -> float:
    peak = re.search(r"VmHWM:\s*(\d+) kB", (PROCESS / "status").read_text())
    assert peak is not None
    return int(peak[1]) / 1024
