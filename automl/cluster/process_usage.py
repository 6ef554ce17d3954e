"""What a trial takes of the process that runs it."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

PROCESS = Path("/proc/self")


class Usage:
    """Of this process, from now on; it runs one trial at a time."""

    def __init__(self) -> None:
        self.cpu_seconds = time.process_time()
        self.has_peak = False
        # Linux: the peak goes back to what is held now. Elsewhere it is that of all trials so far.
        with contextlib.suppress(OSError):
            (PROCESS / "clear_refs").write_text("5")
            self.has_peak = True

    def figures(self) -> dict[str, float]:
        """Processor seconds, and the most memory that was resident, torch and Ray included."""
        figures = {"cpu_seconds": time.process_time() - self.cpu_seconds}
        if self.has_peak:
            peak = re.search(r"VmHWM:\s*(\d+) kB", (PROCESS / "status").read_text())
            assert peak is not None
            figures["peak_memory_mb"] = int(peak[1]) / 1024
        return figures
