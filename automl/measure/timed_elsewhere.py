"""Files timed by another Python, or on another machine over SSH: a script goes, JSON comes."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl.errors import UserError
from automl.measure import file_times
from automl.measure.file_times import TimedFiles, Wanted
from automl.measure.latency import Estimate, Reference, Timing
from automl.measure.machine import kind_of
from automl.measure.standalone_script import standalone_script
from automl.measure.whole_file import whole
from automl.runtimes.onnx import OnnxRuntime
from automl.runtimes.providers import left_to_others

HEADER = '''"""Times of ONNX files on this machine. Needs numpy and onnxruntime."""

from __future__ import annotations
'''
SSH = "ssh:"
NO_CONNECTION = 255
"""The exit code of `ssh` itself, not of what it ran."""
CONNECT_SECONDS = 15
SSH_OPTIONS = ("-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS}")
"""No password is asked for: nobody might be there to type it."""


class Unreachable(UserError):
    """A machine that SSH does not reach, at least for now."""


@dataclass(frozen=True)
class Place:
    """A Python that times files: of this machine, or of the one that SSH knows as `host`."""

    python: str = "python3"
    host: str = ""


def place(over: str | None, python: str | None, flag: str = "--over") -> Place:
    """The place that `--over ssh:USER@HOST`, or what this flag is called, and a Python name.

    Raises UserError.
    """
    if not over:
        return Place(python or "python3")
    host = over.removeprefix(SSH)
    if host == over or not host or host.startswith("-"):
        raise UserError(f"{flag} {over}: write ssh:USER@HOST, as in ssh:pi@192.168.0.7")
    return Place(python or "python3", host)


def timing_elsewhere(
    where: Place,
    file: bytes,
    row: NDArray[np.generic],
    reference: Reference,
    latency: Estimate | None = None,
) -> Timing:
    """The times that a file has there, in turn with the reference, as `latency.timed` has them
    here; the rows are random. A `latency` that is known stays.

    Raises UserError, and Unreachable while the machine is away.
    """
    assert isinstance(reference.runtime, OnnxRuntime)
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "reference.onnx", Path(folder) / "file.onnx"
        for path, data in zip(paths, (reference.file, file), strict=True):
            path.write_bytes(data)
        known = (reference.latency_ms, reference.load_ms) if reference.latency_ms else None
        files = paths if known else paths[1:]
        told = timed_elsewhere(where, Wanted(files, reference.runtime, known))
    own = told.files[-1]
    taken = Estimate(own.latency_ms, own.uncertainty["latency_ms"])
    load = Estimate(own.load_ms, own.uncertainty["load_ms"])
    note = left_to_others(reference.runtime.provider, own.nodes)
    return Timing(latency or taken, load, note, machine=kind_of(told.machine))


def timed_elsewhere(where: Place, wanted: Wanted) -> TimedFiles:
    """The times that files have there; of no file, the machine alone. Raises UserError."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "measure.py"
        files = {
            path: _as_one(path, script.with_name(str(n))) for n, path in enumerate(wanted.files)
        }
        script.write_text(
            standalone_script(HEADER, {file_times.__name__: "main"}, "main()"), encoding="utf-8"
        )
        sent = _over_ssh if where.host else _here
        own = replace(wanted, files=tuple(files[path] for path in wanted.files))
        told = TimedFiles.from_json(sent(where, own, script))
    names = {str(file.resolve()): str(path.resolve()) for path, file in files.items()}
    return replace(told, files=[replace(a, file=names.get(a.file, a.file)) for a in told.files])


def _as_one(path: Path, folder: Path) -> Path:
    """A file as it goes elsewhere: as it lies here, or with the weights beside it in a copy in a
    new folder. Raises UserError."""
    file = whole(path)
    if len(file) == path.stat().st_size:
        return path
    folder.mkdir()
    copy = folder / path.name
    copy.write_bytes(file)
    return copy


def _here(where: Place, wanted: Wanted, script: Path) -> str:
    names = [str(path.resolve()) for path in wanted.files]
    return _output([where.python, str(script), *_arguments(wanted, names)], where)


def _over_ssh(where: Place, wanted: Wanted, script: Path) -> str:
    """Copy script and files to a folder there, run the script, and remove the folder."""
    folder = _ssh(where, "mktemp -d").strip()
    try:
        names = [f"{number}-{path.name}" for number, path in enumerate(wanted.files)]
        for path, name in zip((script, *wanted.files), (script.name, *names), strict=True):
            # Small devices have SSH, and neither scp nor SFTP.
            _ssh(where, f"cat > {shlex.quote(f'{folder}/{name}')}", path.read_bytes())
        command = [where.python, script.name, *_arguments(wanted, names)]
        return _ssh(where, f"cd {shlex.quote(folder)} && {shlex.join(command)}")
    finally:
        _ssh(where, f"rm -rf {shlex.quote(folder)}")


def _arguments(wanted: Wanted, names: list[str]) -> list[str]:
    runtime = wanted.runtime
    how = {"provider": runtime.provider, "threads": runtime.threads, "batch": runtime.batch}
    known = ["--first-ms", *map(repr, wanted.first_ms)] if wanted.first_ms else []
    return [*names, *(f"--{name}={value}" for name, value in how.items()), *known]


def _ssh(where: Place, command: str, given: bytes = b"") -> str:
    return _output(["ssh", *SSH_OPTIONS, where.host, command], where, given)


def _output(command: list[str], where: Place, given: bytes = b"") -> str:
    """The output of a command, given this to read. Raises UserError with its last words."""
    at = f"{where.host}: " if where.host else ""
    try:
        done = subprocess.run(command, input=given, capture_output=True)
    except OSError as error:
        raise UserError(f"{at}cannot run {command[0]}: {error.strerror}") from None
    if done.returncode == 0:
        return done.stdout.decode()
    said = done.stderr.decode(errors="replace").strip().splitlines()
    last = said[-1].removeprefix("error: ") if said else f"exit code {done.returncode}"
    if "No module named" in last:
        last += f"; install numpy and onnxruntime for {where.python}, or name another Python"
    is_away = bool(where.host) and done.returncode == NO_CONNECTION
    raise (Unreachable if is_away else UserError)(f"{at}{last}")
