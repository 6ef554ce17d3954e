"""The search's trials, as Ray Tune asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ray.tune.search import Searcher

from automl.cluster.placement import Request
from automl.cluster.trial_inputs import Assignment, num_workers
from automl.space.sampling import WHOLE
from automl.space.space import TrialConfig
from automl.study.record import TrialRecord
from automl.study.trial_id import TrialId
from automl.trial.result import TrialResult, failed
from automl.trial.time_limit import TimeLimit


class Trials(Protocol):
    """The trials of a search, handed out one by one until the search is over."""

    @property
    def name(self) -> str:
        """The search's."""

    def next_trial(self) -> TrialRecord | None:
        """The next trial; None while none is due, or `is_over`."""

    def is_over(self) -> bool:
        """Tell whether nothing runs, and nothing more will."""

    def config_of(self, trial: TrialId) -> TrialConfig:
        """The config of a trial that is handed out. Raises what the user's classes raise."""

    def time_limit(self, trial: TrialId) -> TimeLimit | None:
        """The time of a trial that is handed out; None where it is not limited."""


class DriverOnly:
    """Lives in the driver and is of no use elsewhere.

    Tune pickles what it is given for a `Tuner.restore` that we never call: nothing goes in.
    """

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        return object, ()


class Starts(Protocol):
    """Callbacks for the trials that are handed out: see `controller.Events`."""

    @property
    def on_start(self) -> Callable[[TrialRecord], None]: ...

    @property
    def on_placed(self) -> Callable[[TrialId, int], None]: ...

    @property
    def on_end(self) -> Callable[[TrialId, TrialResult], None]: ...


class StudySearcher(DriverOnly, Searcher):
    """Hands out trials until there are none to come; one that cannot be, by a class of the user's,
    ends at once.

    Each asks for processes of the `request`, on any node but those `left_out`.
    """

    def __init__(
        self, trials: Trials, request: Request, left_out: Callable[[], list[str]], told: Starts
    ) -> None:
        super().__init__()
        self.trials, self.request, self.left_out, self.told = trials, request, left_out, told

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        while (record := self.trials.next_trial()) is not None:
            self.told.on_start(record)
            try:
                workers = num_workers(self.trials.config_of(record.id))
            except Exception as error:
                self.told.on_end(record.id, failed(error))
                continue
            self.told.on_placed(record.id, workers)
            params = {WHOLE: record.config} if record.config else dict(record.params)
            return {
                "trial": record.id,
                "assignment": Assignment(
                    params, record.is_resumed, self.trials.time_limit(record.id)
                ),
                "num_workers": workers,
                "bundle": self.request.bundle(),
                "left_out": self.left_out(),
            }
        return str(Searcher.FINISHED) if self.trials.is_over() else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """The callback takes results, failures among them; see `controller`."""

    def save(self, checkpoint_path: str) -> None:
        """The search's storage is our state."""

    def restore(self, checkpoint_path: str) -> None:
        """See save."""
