"""The lock of a search: one live run at a time, held until its process ends.

The lock is flock itself, not the library filelock, which opens the file to write: `is_held` must
answer in a home that may only be read.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl.errors import UserError


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold the search in this folder, its journal ready to be written.

    Raises UserError when another run holds it.
    """
    from automl.study.storage import mend

    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"search {folder.name!r} is being searched by another run; "
                f"wait for it, or end it: automl stop {folder.name}"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        mend(folder)
        yield


def is_held(folder: Path) -> bool:
    """Tell whether a live run holds the search."""
    try:
        with (folder / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
