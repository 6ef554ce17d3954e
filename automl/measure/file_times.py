"""Files timed on a runtime of choice: one by itself, or several in turn, on this machine.

`python -m automl.measure FILE` needs numpy and onnxruntime alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl.errors import UserError, described
from automl.measure.latency import Reference, Timing, alone, timed
from automl.measure.machine import machine
from automl.measure.whole_file import check_one_input, loaded, whole
from automl.runtimes.onnx import (
    ONE_THREAD,
    OnnxRuntime,
    Session,
    leaves_open,
    nodes_by_provider,
    row_shape,
    stated_batch,
    takes_columns,
)
from automl.runtimes.providers import CPU, left_to_others, provider_named
from automl.space.runtime import Runtime


@dataclass(frozen=True)
class FileTimes:
    """Times of a file: of loading, and of a call with a batch of rows, each with its standard
    error in `uncertainty`. `nodes` counts the file's nodes by the provider that runs them, and
    `remarks` tell of the rows of a call."""

    file: str
    size_bytes: int
    load_ms: float
    latency_ms: float
    uncertainty: dict[str, float]
    nodes: dict[str, int]
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path, timing: Timing, nodes: dict[str, int], remarks: list[str]) -> FileTimes:
        """The times of the file at this path."""
        load, latency = timing.load, timing.latency
        errors = {"load_ms": load.error, "latency_ms": latency.error}
        size = len(whole(path))
        return cls(str(path), size, load.value, latency.value, errors, nodes, remarks)

    def reference(
        self,
        file: bytes,
        runtime: Runtime = ONE_THREAD,
        rows: NDArray[np.generic] | None = None,
    ) -> Reference:
        """This file, from its bytes, as the one that others are timed in turn with, on the rows
        that it was timed on."""
        return Reference(file, self.latency_ms, self.load_ms, runtime, rows)

    def note(self, runtime: OnnxRuntime) -> str:
        """A sentence on what the provider does not run, or ""."""
        told = left_to_others(runtime.provider, self.nodes)
        return f"{self.file}: {told}" if told else ""


@dataclass(frozen=True)
class Wanted:
    """The files to time, and how they are to be run.

    Where the latency and the load time of the first are known, `first_ms`, it is not timed by
    itself.
    """

    files: tuple[Path, ...]
    runtime: OnnxRuntime = ONE_THREAD
    first_ms: tuple[float, float] | None = None


@dataclass(frozen=True)
class TimedFiles:
    """The times of files with all that they depend on."""

    files: list[FileTimes]
    runtime: OnnxRuntime
    machine: dict[str, str]

    @property
    def notes(self) -> list[str]:
        """Sentences on what the provider does not run, on the rows of a call, and on another
        onnxruntime than ours."""
        theirs, own = self.machine["onnxruntime"], machine()["onnxruntime"]
        other = [] if theirs == own else [f"timed by onnxruntime {theirs}; here is {own}"]
        remarks = [f"{one.file}: {remark}" for one in self.files for remark in one.remarks]
        return [*filter(None, (one.note(self.runtime) for one in self.files)), *remarks, *other]

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "notes": self.notes}

    @classmethod
    def from_json(cls, text: str) -> TimedFiles:
        """Read what `as_json` made, as text."""
        told = json.loads(text)
        files = [FileTimes(**one) for one in told["files"]]
        return cls(files, OnnxRuntime(**told["runtime"]), told["machine"])


def file_times(wanted: Wanted) -> TimedFiles:
    """The times of files; of several, each after the first is timed in turn with the first.

    Raises UserError when a file is not there, cannot be loaded, or cannot be run on random rows.
    """
    runtime, known = wanted.runtime, wanted.first_ms
    reference = alone(runtime)
    if known:
        reference = Reference(whole(wanted.files[0]), *known, runtime)
    found = list[FileTimes]()
    for path in wanted.files[bool(known) :]:
        rows = random_rows(path, runtime.batch)
        try:
            timing = timed(path, rows, reference)
            nodes = nodes_by_provider(path, runtime, rows)
        except Exception as error:
            raise UserError(f"onnxruntime cannot run {path}: {described(error)}") from None
        found.append(FileTimes.of(path, timing, nodes, remarks(loaded(path), runtime.batch)))
        if not reference.file:
            reference = found[0].reference(whole(path), runtime, rows)
    return TimedFiles(found, runtime, machine())


def main() -> None:
    """Run `python -m automl.measure`, or what is made of it for another machine. Exit 2 is the
    user's mistake."""
    parser = argparse.ArgumentParser(description="Time ONNX files; prints one JSON object.")
    parser.add_argument("files", nargs="*", type=Path, help="exported .onnx files")
    parser.add_argument("--provider", default=CPU, help="an execution provider of onnxruntime")
    parser.add_argument("--threads", type=int, default=1, help="threads of the processor")
    parser.add_argument("--batch", type=int, default=1, help="rows of a call")
    parser.add_argument(
        "--first-ms",
        type=float,
        nargs=2,
        metavar=("LATENCY", "LOAD"),
        help="times of the first file, where they are known",
    )
    given = parser.parse_args()
    how = {"threads": given.threads, "batch": given.batch}
    try:
        runtime = OnnxRuntime(provider_named(given.provider), **how)
        wanted = Wanted(tuple(given.files), runtime, given.first_ms and tuple(given.first_ms))
        print(json.dumps(file_times(wanted).as_json()))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def random_rows(path: Path, batch: int) -> NDArray[np.float64]:
    """Random rows (batch, ...) of the shape that a file takes. Raises UserError."""
    own = loaded(path)
    check_one_input(path, own)
    # Codes of categories are below 1, so that every column has them; every vocabulary has the
    # ids 0 and 1.
    is_text = own.get_inputs()[0].type == "tensor(int64)"
    largest = 1 if takes_columns(own) else 2 if is_text else 100
    return np.random.default_rng(0).uniform(0, largest, (batch, *row_shape(own)))


def remarks(loaded: Session, batch: int) -> list[str]:
    """Sentences on made-up rows: their size where the file leaves it open, and how many a call has
    where the file states another number than `batch`."""
    made_up = dict.fromkeys(
        " x ".join(str(size if isinstance(size, int) else 1) for size in taken.shape[1:])
        for taken in loaded.get_inputs()
        if not all(isinstance(size, int) for size in taken.shape[1:])
    )
    told = f"timed on rows of {' and '.join(made_up)}, since the file leaves these sizes open"
    return [*[told] * leaves_open(loaded), *other_batch(loaded, batch)]


def other_batch(loaded: Session, batch: int) -> list[str]:
    """A sentence where a file states another number of rows for a call than `batch`."""
    own = stated_batch(loaded) or batch
    return [f"a call has {own} rows, not {batch}, since the file states so"] * (own != batch)
