"""Loading of large libraries and searches, without garbage collections that find nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """Have no garbage collection now, and later ones pass over what is there by then.

    They take a fifth of the time. What libraries load stays until the process ends: there is
    nothing in it to collect.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage now: of a large search nearly all objects that are made stay.

    It takes a third of the time to open one and to write its pages.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
