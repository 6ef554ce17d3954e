"""The room that a disk has for what is about to be written there."""

from __future__ import annotations

import shutil
from pathlib import Path

from automl.errors import UserError


def check_room(source: str, folder: Path, needed_bytes: float) -> None:
    """Raise UserError where a folder's disk has less room than a source needs."""
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        raise UserError(
            f"{source}: its rows take {_gigabytes(needed_bytes)} in {folder.parent}, where "
            f"{_gigabytes(free_bytes)} are free; make room, or choose a --home on a larger disk"
        )


def _gigabytes(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.3g} GB"
