"""Memory that a file takes beyond the loaded runtime, at its most, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from onnx import TensorProto, helper

from automl.measure.energy import Reading
from automl.runtimes.node_runs import made_up_feed
from automl.runtimes.onnx import OnnxRuntime, session

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
NUM_CALLS = 3


def peak_memory_bytes(file: Path, runtime: OnnxRuntime) -> Reading:
    """The bytes that are resident at most while a file is loaded and called, beyond those that
    are once the runtime has run a file that does nothing."""
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.onnx"
        empty.write_bytes(empty_file())
        asked = json.dumps([runtime.provider, runtime.threads, runtime.batch])
        command = [sys.executable, "-m", __name__, str(empty), str(file), asked]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Reading(None, f"a fresh process could not tell: {last}")
    return Reading(**json.loads(done.stdout.splitlines()[-1]))


def empty_file() -> bytes:
    """A file that hands a number on."""
    value, same = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1])
        for name in ("value", "same")
    )
    graph = helper.make_graph(
        [helper.make_node("Identity", ["value"], ["same"])], "g", [value], [same]
    )
    opset = [helper.make_opsetid("", 20)]
    made: bytes = helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()
    return made


def main() -> None:
    """Print the bytes that the second file takes beyond the first, or why that is not known."""
    empty, file, asked = sys.argv[1:]
    provider, threads, batch = json.loads(asked)
    runtime = OnnxRuntime(provider, threads=threads, batch=batch)
    _use(Path(empty), runtime)
    try:
        before = _status("VmRSS")
        CLEAR.write_text("5")
    except (OSError, KeyError):
        why = "this system does not tell the resident memory of a process"
        print(json.dumps({"value": None, "why_none": why}))
        return
    _use(Path(file), runtime)
    print(json.dumps({"value": max(0, _status("VmHWM") - before)}))


def _use(file: Path, runtime: OnnxRuntime) -> None:
    loaded = session(file, runtime.provider, runtime.threads)
    feed = made_up_feed(loaded, runtime.batch)
    for _ in range(NUM_CALLS):
        loaded.run(None, feed)


def _status(name: str) -> int:
    """Bytes that the system tells of this process."""
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[name].split()[0]) * 1024


if __name__ == "__main__":
    main()
