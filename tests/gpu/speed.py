"""Epochs of a ResNet, ours against plain torch by hand, within the bars of both."""

import tempfile
from pathlib import Path

MOST_IN_MEMORY, MOST_FROM_DISK = 1.05, 1.10
"""Our epoch's seconds over those by hand."""


def in_memory(settings):
    """Rows as large as Fashion-MNIST's, held on the device."""
    import epochs

    with tempfile.TemporaryDirectory() as folder:
        args = settings.device, settings.epoch_rows, settings.pairs
        return judged(epochs.in_memory(Path(folder), *args), MOST_IN_MEMORY, settings)


def from_disk(settings):
    """Rows of 3×224×224 numbers of uint8, or a few small ones, mapped from a file."""
    import epochs

    with tempfile.TemporaryDirectory() as folder:
        args = settings.device, settings.disk_rows, 1
        workers = 0 if settings.is_small else 8
        found = epochs.from_disk(Path(folder), *args, settings.disk_row, workers)
    return judged(found, MOST_FROM_DISK, settings)


def judged(found, most, settings):
    """The figures; a processor's seconds are told and not judged."""
    is_fast = settings.device == "cpu" or found["wall_over_hand_written"] <= most
    return {"ok": is_fast, "most": most, **found}
