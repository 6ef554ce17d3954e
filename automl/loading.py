"""Loading of large libraries, without the garbage collections that take a fifth of its time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """Have no garbage collection now, and later ones pass over what is there by then.

    What libraries load stays until the process ends: there is nothing in it to collect.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
