"""Interfaces of Optuna that are not public, each with its reason; all were seen in Optuna 5.0.

A test of each, in `tests/study/test_optuna_patches.py`, fails by name when an upgrade ends it.
"""

from __future__ import annotations

import json
from functools import cache
from typing import NamedTuple

from optuna.distributions import json_to_distribution
from optuna.storages.journal import _storage

from automl.space.domains import Params
from automl.study.stored_record import Json

_distribution = cache(json_to_distribution)


def share_distributions() -> None:
    """Have the trials that a journal is read to share the distributions of their parameters.

    Optuna makes one of each text anew, some twenty for each trial: that is most of the time that
    a long journal takes to be read, and of the memory. Waits for a journal that does so itself.
    """
    _storage.json_to_distribution = _distribution  # type: ignore[attr-defined]


class JournalEntry(NamedTuple):
    """An entry of a journal: a new trial, with its `params`, or new attributes of the trial of a
    number, or of the study where that is None."""

    trial: int | None
    attributes: Json
    params: Params | None = None


def journal_entry(line: bytes) -> JournalEntry:
    """Read a line of a journal by itself: Optuna reads a journal whole, and keeps all of it."""
    log = json.loads(line)
    if "distributions" not in log:
        return JournalEntry(log.get("trial_id"), log.get("user_attr", {}))
    domains = map(_distribution, log["distributions"].values())
    pairs = zip(log["params"].items(), domains, strict=True)
    params = {path: domain.to_external_repr(value) for (path, value), domain in pairs}
    return JournalEntry(None, log["user_attrs"], params)
