"""ONNX files from anywhere as one file: weights that lie in files beside it are taken in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from automl.errors import UserError, described
from automl.runtimes.onnx import Session, session, takes_columns

BESIDE = b"\x0a\x08location"
"""What a tensor begins with that names the file which holds its numbers, as protobuf spells it."""
MOST_BYTES = 2**31 - 1
"""The bytes of an ONNX file at most."""


def whole(path: Path) -> bytes:
    """The bytes of a file, with the weights that it keeps in files beside it.

    Raises UserError where there is no file, one beside it is missing, or all are too much for one.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}; check the path")
    file = path.read_bytes()
    return _joined(path) if BESIDE in file else file


def loaded(path: Path) -> Session:
    """A file, loaded on one thread. Raises UserError."""
    file = whole(path)
    try:
        return session(file)
    except Exception as error:
        raise UserError(f"onnxruntime cannot load {path}: {described(error)}") from None


def check_one_input(path: Path, loaded: Session) -> None:
    """Raise UserError where rows alone are not what a file takes."""
    takes = loaded.get_inputs()
    if len(takes) != 1 and not takes_columns(loaded):
        names = ", ".join(taken.name for taken in takes)
        raise UserError(f"{path} takes {len(takes)} inputs ({names}); one is needed, of rows")


def _joined(path: Path) -> bytes:
    """The bytes of a file whose weights lie beside it, with these. Raises UserError."""
    # Where only onnxruntime is, files come as one.
    import onnx

    try:
        tensors = onnx.load(path, load_external_data=False).graph.initializer
        told = [(entry.key, entry.value) for tensor in tensors for entry in tensor.external_data]
        _check_beside(path, told)
        joined: bytes = onnx.load(path).SerializeToString()
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{path} and the weights beside it cannot be read: {described(error)}"
        ) from None
    return joined


def _check_beside(path: Path, told: Sequence[tuple[str, str]]) -> None:
    """Raise UserError where a file beside is missing, or one file cannot hold what all tell."""
    for name in [value for key, value in told if key == "location"]:
        if not (path.parent / name).is_file():
            raise UserError(f"{path} keeps weights in {name}, which is not beside it; put it there")
    size = sum(int(value) for key, value in told if key == "length")
    if size > MOST_BYTES:
        raise UserError(
            f"{path} has {size:,} bytes of weights beside it, and one ONNX file holds "
            f"{MOST_BYTES:,} at most; give a smaller file"
        )
