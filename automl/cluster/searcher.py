"""The study's proposals, as Ray Tune asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from automl.cluster.actor import num_workers
from automl.study.proposals import Proposer
from automl.study.study import TrialRecord


class DriverOnly:
    """Lives in the driver and is of no use elsewhere.

    Tune pickles what it is given for a `Tuner.restore` that we never call: nothing goes in.
    """

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        return object, ()


class StudySearcher(DriverOnly, Searcher):
    """Hands out trials while the budget lasts, one more than there are slots.

    The one that waits keeps its predecessor's actor alive for itself: Tune would end an
    actor that no pending trial wants.
    """

    def __init__(
        self,
        proposer: Proposer,
        slots: int,
        max_trials: float,
        on_start: Callable[[TrialRecord], None],
    ) -> None:
        super().__init__()
        self.proposer, self.slots, self.max_trials = proposer, slots, max_trials
        self.on_start = on_start

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        proposer = self.proposer
        if not proposer.adopted and proposer.num_started >= self.max_trials:
            return str(Searcher.FINISHED)
        if len(proposer.running) - len(proposer.adopted) > self.slots:
            return None
        record = proposer.next()
        if record is None:
            return None
        self.on_start(record)
        workers = num_workers(proposer.config(record.params))
        return {"number": record.number, "params": record.params, "num_workers": workers}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """The callback takes results, failures among them; see `controller`."""

    def save(self, checkpoint_path: str) -> None:
        """The study's storage is our state."""

    def restore(self, checkpoint_path: str) -> None:
        """See save."""
