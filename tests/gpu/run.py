"""Checks of all that runs on a GPU: `PYTHONPATH=. python tests/gpu/run.py`; see check.sh.

It needs Python 3.12, torch, numpy, filelock, safetensors and annotated-types; a check that needs
more is skipped where that is missing, and one that is not done in its time is ended. The JSON is
written after each check, so that a device that hangs loses no other.
"""

import argparse
import json
import platform
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import files
import ranks
import speed
import throughput
import torch
import training

CHECKS: dict[str, tuple[Callable[["Settings"], dict[str, object]], int]] = {
    "training_as_on_the_processor": (training.as_on_the_processor, 60),
    "gone_on_to_the_bit": (training.gone_on_to_the_bit, 50),
    "overflown_without_a_trace": (training.overflown_without_a_trace, 5),
    "halved_where_memory_is_short": (training.halved_where_memory_is_short, 20),
    "refused_where_no_row_fits": (training.refused_where_no_row_fits, 10),
    "parallel_over_one_rank": (partial(ranks.over_ranks, count=1), 40),
    "parallel_over_two_ranks": (partial(ranks.over_ranks, count=2), 40),
    "quality_as_on_the_processor": (files.quality_as_on_the_processor, 20),
    "small_trials_on_one_device": (throughput.of_small_trials, 55),
    "epoch_in_memory": (speed.in_memory, 40),
    "compiled_as_it_is": (training.compiled_as_it_is, 50),
    "epoch_from_disk": (speed.from_disk, 70),
}
"""Each check with the seconds that it may take, those that the earlier ones have left besides:
460 in all."""
OPTIONAL = ("fsspec", "tenacity", "onnx", "onnxscript", "onnxruntime")
"""Packages without which checks are skipped."""


@dataclass(frozen=True)
class Settings:
    """The device, and how much is done: `every` n-th case, so many rows."""

    device: str
    is_small: bool

    @property
    def every(self):
        return 4 if self.is_small else 1

    @property
    def rows(self):
        return 128 if self.is_small else 512

    @property
    def large_rows(self):
        return 32 if self.is_small else 2048

    @property
    def most_trials(self):
        return 4 if self.is_small else 16

    @property
    def trial_rows(self):
        return 128 if self.is_small else 4096

    @property
    def trial_seconds(self):
        return 0.5 if self.is_small else 6.0

    @property
    def epoch_rows(self):
        return 256 if self.is_small else 60_000

    @property
    def disk_rows(self):
        return 80 if self.is_small else 100_000

    @property
    def pairs(self):
        return 1 if self.is_small else 3

    @property
    def compiled(self):
        return "MLP" if self.is_small else "ResNet"

    @property
    def disk_row(self):
        return (3, 32, 32) if self.is_small else (3, 224, 224)

    @contextmanager
    def short_memory(self, share=0.25):
        """Have the device give this process only a share of what it has taken at most so far."""
        if self.device != "cuda":
            yield 0
            return
        most, (_, total) = torch.cuda.max_memory_allocated(), torch.cuda.mem_get_info()
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(max(1e-6, share * most / total))
        try:
            yield round(share * most)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="", help="torch's name; the accelerator that is here")
    parser.add_argument("--small", action="store_true", help="few cases, to see that all runs")
    parser.add_argument("--only", default="", help="names of checks, with commas")
    parser.add_argument("--out", default="gpu.json", type=Path)
    asked = parser.parse_args()
    found = torch.accelerator.current_accelerator(check_available=True)
    device = asked.device or (found.type if found is not None else "")
    report = {"device": device, "card": card(device), "checks": [], **versions()}
    if not device:
        report["skipped"] = "no GPU is at hand"
        write(report, asked.out)
        print("skipped: no GPU is at hand")
        return 0
    names = asked.only.split(",") if asked.only else list(CHECKS)
    report["checks"] = [{"name": name, "skipped": "not begun"} for name in names]
    return run(names, Settings(device, asked.small), report, asked.out)


class NotDone(BaseException):
    """A check has used up its time. No `except Exception` within a check takes it for its own."""


def run(names, settings, report, out):
    """Make the checks, and tell of each; 1 where one failed."""
    started, until = time.perf_counter(), 0.0
    for place, name in enumerate(names):
        report["checks"][place]["skipped"] = "begun, and not ended"
        write(report, out)
        begun = time.perf_counter()
        check, most = CHECKS[name]
        until += most
        outcome = outcome_of(check, settings, until - (begun - started))
        seconds = round(time.perf_counter() - begun, 2)
        report["checks"][place] = {"name": name, **outcome, "seconds": seconds}
        report["seconds"] = round(time.perf_counter() - started, 2)
        write(report, out)
        word = "skipped" if "skipped" in outcome else "ok" if outcome["ok"] else "FAILED"
        print(f"{word:8} {name} {seconds:.1f} s {outcome.get('skipped', '')}", flush=True)
    return int(any(check.get("ok") is False for check in report["checks"]))


def outcome_of(check, settings, most):
    try:
        with limited(most):
            return check(settings)
    except NotDone:
        return {"skipped": f"not done after {most:.3g} s"}
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        return {"skipped": f"not installed: {error.name}"}
    except Exception as error:
        traceback.print_exc()
        return {"ok": False, "error": f"{type(error).__name__}: {error}"}


@contextmanager
def limited(seconds):
    """Raise NotDone where the work takes longer."""

    def end(*_):
        raise NotDone

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def card(device):
    if device == "cuda":
        return torch.cuda.get_device_name()
    return platform.processor() or platform.machine()


def versions():
    return {"torch": torch.__version__, "python": platform.python_version()}


def write(report, out):
    out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
