"""Archives of folders: .zip and .tar files, unpacked for as long as they are read."""

from __future__ import annotations

import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl.data.text_files import DAMAGED
from automl.errors import UserError, described

ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")


def is_archive(path: Path) -> bool:
    """True of a path with the ending of an archive."""
    return path.name.lower().endswith(ARCHIVES) and not path.is_dir()


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder at a path; of an archive, a folder with what it holds, which goes at the end.

    A folder that alone stands in an archive is taken for its root. Raises UserError on a file
    that is no archive.
    """
    if not is_archive(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="automl-") as folder:
        try:
            _unpack(path, folder)
        except (*DAMAGED, tarfile.TarError, zipfile.BadZipFile, RuntimeError) as error:
            why = described(error)
            raise UserError(f"{path} cannot be unpacked ({why}); make it again") from None
        yield _root(Path(folder))


def _unpack(path: Path, folder: str) -> None:
    """Unpack an archive; members that would leave the folder stay in it or are refused."""
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
    else:
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")


def _root(folder: Path) -> Path:
    """The folder, or the one below it that holds everything."""
    shown = [p for p in folder.iterdir() if not p.name.startswith((".", "__MACOSX"))]
    while len(shown) == 1 and shown[0].is_dir() and any(p.is_dir() for p in shown[0].iterdir()):
        folder = shown[0]
        shown = [p for p in folder.iterdir() if not p.name.startswith(".")]
    return folder
