"""Files timed in a browser by onnxruntime-web, on one thread: in turn with the first, as here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl.errors import UserError
from automl.measure.browsers import found_browser, opened
from automl.measure.file_times import FileTimes, TimedFiles, random_rows, remarks
from automl.measure.latency import Block, alone, of_blocks
from automl.measure.page_server import LOOPBACK, Jobs, served
from automl.measure.whole_file import loaded, whole
from automl.runtimes.onnx import OnnxRuntime, fed
from automl.web.folder import PAGES, RUNTIME_FOLDER

PROVIDER = "wasm"
START_SECONDS, SILENT_SECONDS = 60.0, 600.0
INSTEAD = "open the page by hand instead, in any browser: --browser --host 127.0.0.1"


@dataclass(frozen=True)
class WantedInBrowser:
    """The files to time in a browser, how many rows make a call, and the files of onnxruntime-web
    by name.

    Without a `host` a browser of this machine is opened; with one, `say` is told the address that
    somebody is to open.
    """

    files: tuple[Path, ...]
    runtime: Mapping[str, bytes]
    batch: int = 1
    host: str | None = None
    say: Callable[[str], None] = print


def times_in_browser(wanted: WantedInBrowser) -> TimedFiles:
    """The times of files in a browser. Raises UserError where there is none, or it cannot run
    one of them."""
    jobs, parts = Jobs(), _parts(wanted)
    if wanted.host is not None:
        with served(parts, jobs, wanted.host) as address:
            wanted.say(address)
            return _timed(wanted, jobs, lambda: None)
    browser = found_browser()
    with served(parts, jobs, LOOPBACK[0]) as address, opened(browser, address) as process:
        return _timed(wanted, jobs, partial(_check, jobs, browser, process))


def _parts(wanted: WantedInBrowser) -> dict[str, Callable[[], bytes]]:
    """The files of the page, each as what reads it."""
    parts: dict[str, Callable[[], bytes]] = {
        "": (PAGES / "measure.html").read_bytes,
        **{name: (PAGES / name).read_bytes for name in ("measure.js", "page.css")},
        **{
            f"{RUNTIME_FOLDER}/{name}": partial(bytes, content)
            for name, content in wanted.runtime.items()
        },
    }
    for number, path in enumerate(wanted.files):
        inputs = _inputs(path, random_rows(path, wanted.batch))
        parts[f"file/{number}"] = partial(whole, path)
        parts[f"rows/{number}"] = json.dumps(inputs).encode
    return parts


def _inputs(path: Path, rows: NDArray[np.float64]) -> list[dict[str, object]]:
    """The inputs of a call as JSON."""
    kinds = {"f": "float32", "i": "int64", "O": "string"}
    return [
        {
            "name": name,
            "type": kinds[values.dtype.kind],
            "dims": list(values.shape),
            "values": values.ravel().tolist(),
        }
        for name, values in fed(loaded(path), rows).items()
    ]


def _check(jobs: Jobs, browser: str, process: subprocess.Popen[bytes]) -> None:
    """Raise UserError where a browser has ended, or its page is silent for too long."""
    if process.poll() is not None:
        raise UserError(f"{browser} ended with the code {process.returncode}; {INSTEAD}")
    if jobs.silent_seconds > (SILENT_SECONDS if jobs.was_heard else START_SECONDS):
        raise UserError(f"{browser} does not answer; {INSTEAD}")


def _timed(wanted: WantedInBrowser, jobs: Jobs, check: Callable[[], None]) -> TimedFiles:
    """The times that a page finds."""

    def done(path: Path, files: list[int], says: str) -> dict[str, object]:
        found = jobs.do({"files": files, "says": says}, check)
        if not isinstance(found, dict) or "error" in found:
            told = found["error"] if isinstance(found, dict) else "it sent no figures"
            raise UserError(f"onnxruntime-web cannot run {path}: {told}")
        return found

    machine = done(wanted.files[0], [], "Loading …")
    reference, times = None, list[FileTimes]()
    for number, path in enumerate(wanted.files):
        says = f"File {number + 1} of {len(wanted.files)}: {path.name}"
        files = [number] if reference is None else [number, 0]

        def block(path: Path = path, files: list[int] = files, says: str = says) -> Block:
            found = done(path, files, says)
            return Block(_numbers(found["loads"]), _numbers(found["calls"]))

        timing = of_blocks(block, reference or alone())
        times.append(FileTimes.of(path, timing, {}, remarks(loaded(path), wanted.batch)))
        reference = reference or times[0].reference(b"")
    jobs.end()
    told = {name: str(value) for name, value in machine.items()}
    return TimedFiles(times, OnnxRuntime(PROVIDER, batch=wanted.batch), told)


def _numbers(found: object) -> list[float]:
    assert isinstance(found, list)
    return [float(number) for number in found]
