"""A watcher of a search: what happens is told to its methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from automl.engine.searches import Search
from automl.faults import Faults
from automl.recipe import Report
from automl.study.budget import Budget
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.trial_id import TrialId


class Watch:
    """Sees nothing of a search; a watcher overrides the methods of what it wants to see."""

    def found(self, lines: Sequence[str]) -> None: ...

    def connecting(self) -> None: ...

    def waiting(self, why: str) -> None: ...

    def planned(self, plan: str) -> None: ...

    def left_out(self, why: str) -> None: ...

    def began(self, study: Study, slots: int, budget: Budget) -> None: ...

    def started(self, record: TrialRecord) -> None: ...

    def reported(self, trial: TrialId, report: Report) -> None: ...

    def paused(self, trial: TrialId) -> None: ...

    def lost(self, trial: TrialId, fault: str) -> None: ...

    def resized(self, slots: int) -> None: ...

    def finished(self, record: TrialRecord) -> None: ...

    def looked(self, seconds_left: float) -> None:
        """See, every few seconds, how long the search is expected to take; infinite if unknown."""

    def closed(self) -> None: ...

    def ended(self, search: Search, notes: list[str]) -> None: ...


def guarded(watch: Watch, faults: Faults) -> Watch:
    """A watcher that is told nothing more once it has raised, which ends no search."""
    return cast(Watch, _Guarded(watch, faults))


class _Guarded:
    """Passes every call on to a watcher."""

    def __init__(self, watch: Watch, faults: Faults) -> None:
        self.watch, self.faults = watch, faults

    def __getattr__(self, name: str) -> object:
        tell = getattr(self.watch, name)

        def guarded(*told: object) -> None:
            try:
                tell(*told)
            except Exception as error:
                self.faults.note("watcher", f"raised when told {name!r}", error)
                self.watch = Watch()

        return guarded
