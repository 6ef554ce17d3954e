"""Interfaces of Optuna that are not public, each with its reason; all were seen in Optuna 5.0.

A test of each, in `tests/study/test_optuna_patches.py`, fails by name when an upgrade ends it.
"""

from __future__ import annotations

from functools import cache

from optuna.distributions import json_to_distribution
from optuna.storages.journal import _storage


def share_distributions() -> None:
    """Have the trials that a journal is read to share the distributions of their parameters.

    Optuna makes one of each text anew, some twenty for each trial: that is most of the time that
    a long journal takes to be read, and of the memory. Waits for a journal that does so itself.
    """
    _storage.json_to_distribution = cache(json_to_distribution)  # type: ignore[attr-defined]
