"""The eviction of what trials have made, when the store is full: never what a search needs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform

from automl import user_code
from automl.engine.searches import open_studies
from automl.engine.study_space import study_space
from automl.errors import UserError
from automl.home import Home
from automl.measure.kept_timings import calibration
from automl.space import space_file
from automl.space.sampling import replay, sample
from automl.space.store_keys import needed_keys
from automl.store import Store
from automl.study.study import Study

NEEDED = "needed"
"""The key under which homes that share a store tell what each needs of it."""


def trim(home: Home) -> int | None:
    """Drop from the home's store what was used least lately, above the limit.

    Returns the bytes that are left; None while that cannot be known.
    """
    store = Store(home.store)
    # While the store or a search's database is away, nothing can be told to be superfluous.
    with contextlib.suppress(OSError, UserError):
        if home.shares_store:
            tell_others(home, store)
        return store.trim(home.store_limit_bytes, lambda: _needed_by_all(home, store)).num_bytes
    return None


def tell_others(home: Home, store: Store) -> None:
    """Write into a store what this home needs of it, for other homes that use it."""
    place = f"{platform.node()}:{home.path}"
    name = hashlib.sha256(place.encode()).hexdigest()[:16]
    told = json.dumps({"home": place, "keys": sorted(_needed(home))})
    store.write(NEEDED, {f"{name}.json": told.encode()})


def _needed_by_all(home: Home, store: Store) -> set[str]:
    """Keys that must stay in a store: of this home, and of others that told theirs."""
    needed = {NEEDED, *_needed(home)}
    for name in store.names(NEEDED) if home.shares_store else []:
        needed |= set(json.loads(store.read(NEEDED, name) or b'{"keys": []}')["keys"])
    return needed


def _needed(home: Home) -> set[str]:
    """Keys that must stay in the store: of every search's front, timings and unfinished trials."""
    needed = set()
    # The search that runs meanwhile goes by its own classes.
    with space_file.apart():
        for study in open_studies(home):
            # A search whose data is gone cannot go on, and needs nothing for it. Its constraints
            # may be of metrics that only its space knows: that is loaded before the front is asked
            # for.
            with contextlib.suppress(UserError):
                needed |= _unfinished(study)
            needed |= {record.result.key for record in study.front().unbeaten if record.result}
            needed |= {calibration(reference) for reference in study.timed_beside.values()}
    return needed


def _unfinished(study: Study) -> set[str]:
    """The keys of what a search's unfinished trials make."""
    space, code = study_space(study), user_code.fingerprint(study.space_text)
    waiting = [record for record in study.records() if record.result is None]
    keys = [needed_keys(sample(space, replay(record.params)), code) for record in waiting]
    return {key for of_trial in keys for key in of_trial}
