"""The study's proposals, as Ray Tune asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from automl.cluster.trial_inputs import Assignment, num_workers
from automl.space.sampling import WHOLE
from automl.study.record import TrialRecord
from automl.study.refit import Lineup


class DriverOnly:
    """Lives in the driver and is of no use elsewhere.

    Tune pickles what it is given for a `Tuner.restore` that we never call: nothing goes in.
    """

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        return object, ()


class StudySearcher(DriverOnly, Searcher):
    """Hands out trials until there are none to come."""

    def __init__(self, lineup: Lineup, on_start: Callable[[TrialRecord], None]) -> None:
        super().__init__()
        self.lineup, self.on_start = lineup, on_start

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        record = self.lineup.next()
        if record is None:
            return str(Searcher.FINISHED) if self.lineup.is_over() else None
        self.on_start(record)
        params = {WHOLE: record.config} if record.config else record.params
        return {
            "number": record.number,
            "assignment": Assignment(params, record.is_again),
            "num_workers": num_workers(self.lineup.config(record.number)),
        }

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """The callback takes results, failures among them; see `controller`."""

    def save(self, checkpoint_path: str) -> None:
        """The study's storage is our state."""

    def restore(self, checkpoint_path: str) -> None:
        """See save."""
