"""Inputs of a trial where it runs: what every trial of a search gets, and what is its own."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl import user_code
from automl.cluster.measuring import MeasurerClient, Measurers
from automl.cluster.placement import Request
from automl.cluster.portable_space import PortableSpace
from automl.data.content_hash import keep_in
from automl.measure.measurement import Timer
from automl.models.devices import device_name, keep_to_share
from automl.recipe import Report, Sibling, Step
from automl.space.sampling import rebuild
from automl.space.space import TrialConfig
from automl.store import Store
from automl.trial import trial
from automl.trial.result import TrialResult
from automl.trial.time_limit import TimeLimit
from automl.trial.trial_options import TrialOptions


@dataclass(frozen=True)
class TrialInputs:
    """Inputs that every trial of a search gets: plain values, and handles of the measurers.

    `cache` is the folder of datasets, `request` what a trial takes, or each of its workers.
    """

    space: PortableSpace
    cache: str
    store_url: str
    store_identity: str
    ray_folder: str
    measurers: Measurers
    request: Request

    @property
    def cpus(self) -> float:
        return self.request.cpus

    @property
    def gpus(self) -> float:
        return self.request.gpus

    def store(self) -> Store:
        """The store that all trials share."""
        return Store(self.store_url, self.store_identity)

    def client(self) -> MeasurerClient:
        """The measurers as one trial calls them."""
        return MeasurerClient(self.measurers, self.store())


@dataclass(frozen=True)
class Assignment:
    """A trial as it goes to where it runs: its parameters, if it was started before, and its time
    where that is limited."""

    params: dict[str, Any]
    was_started: bool
    limit: TimeLimit | None = None

    def run(self, inputs: TrialInputs, time_file: Timer) -> Generator[Report, None, TrialResult]:
        """Run the trial in this process, a report at a time."""
        config = rebuild(inputs.space.load(), self.params)
        code = user_code.fingerprint(inputs.space.text)
        device = device_name(bool(inputs.gpus))
        keep_to_share(device, inputs.gpus)
        cache = Path(inputs.cache)
        keep_in(cache)
        options = TrialOptions(code, device, self.was_started, self.limit)
        return trial.run(config, inputs.store(), time_file, cache, options)


def num_workers(config: TrialConfig) -> int:
    """The Train workers that a trial takes; 0 when it runs in the actor itself."""
    return max(map(_num_workers, config.recipe), default=0)


def _num_workers(step: Step) -> int:
    """The workers of a step and of the siblings that teach it, whichever are more."""
    siblings = step.teacher.recipe if isinstance(step.teacher, Sibling) else ()
    return max(step.num_workers, *map(_num_workers, siblings), 0)
