"""Shares of a GPU, chosen so that as many trials are on one as its memory holds."""

from __future__ import annotations

import math
from collections.abc import Sequence

MOST_ON_A_GPU = 16
HEADROOM = 1.5
"""Times the estimate that a trial is given: libraries round up, steps copy weights."""
PROCESS_BYTES = 10**9
"""Bytes that a process takes for its device's libraries and their workspaces, before any trial."""
ROUNDING = 10_000
"""Ray counts parts of a GPU in ten-thousandths."""


def settle(
    trial_bytes: int | None, most_workers: int, card_bytes: Sequence[int]
) -> tuple[float, str]:
    """The share of a GPU that each trial of a search takes, and why, in words.

    `trial_bytes` is the estimate of the largest trial, None where it is not known; `card_bytes`
    are the memories of the cluster's GPUs, none where they do not tell. All trials take the same
    share: so they find actors that are there, and no rest of a GPU lies idle between them.
    """
    if most_workers > 1:
        return 1.0, "each of several workers takes a whole GPU"
    if not card_bytes:
        return 1.0, "no GPU of the cluster tells its memory"
    if trial_bytes is None:
        return 1.0, "the memory of some model is not known before it runs"
    needed, card = round(HEADROOM * trial_bytes) + PROCESS_BYTES, min(card_bytes)
    count = max(1, min(MOST_ON_A_GPU, card // needed))
    told = f"the largest trial is given {needed / 1e9:.1f} GB of the GPU's {card / 1e9:.1f} GB"
    return math.floor(ROUNDING / count) / ROUNDING, told
