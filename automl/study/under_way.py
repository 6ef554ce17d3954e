"""The trials of a search that have not ended: handed out, paused, or left by an earlier run."""

from __future__ import annotations

import json
from dataclasses import dataclass

from automl.config import decode
from automl.space.domains import Params
from automl.space.sampling import replay, sample
from automl.space.space import Space, TrialConfig
from automl.space.store_keys import needed_keys
from automl.study.record import TrialRecord
from automl.study.trial_id import TrialId


@dataclass(frozen=True)
class Plan:
    """A trial's config, and the keys of all that the trial makes, teachers included."""

    config: TrialConfig
    keys: list[str]


class UnderWay:
    """The records and plans of the trials that have not ended.

    `live` trials are handed out; `adopted` ones were, by an earlier run that did not see their
    end. `space_source` is the text of the user's classes in the space file.
    """

    def __init__(self, space: Space, space_source: str) -> None:
        self.space, self.space_source = space, space_source
        self.live: dict[TrialId, TrialRecord] = {}
        self.paused: dict[TrialId, TrialRecord] = {}
        self.adopted: dict[TrialId, TrialRecord] = {}
        self.plans: dict[TrialId, Plan] = {}

    def config(self, params: Params) -> TrialConfig:
        return sample(self.space, replay(params))

    def config_of(self, record: TrialRecord) -> TrialConfig:
        """The config that a trial ran as, which may have been shortened."""
        if record.config:
            shortened: TrialConfig = decode(json.loads(record.config))
            return shortened
        return self.config(record.params)

    def keys(self, config: TrialConfig) -> list[str]:
        return needed_keys(config, self.space_source)

    def plan(self, record: TrialRecord) -> Plan:
        """A trial's plan, made when it is first asked for."""
        if record.id not in self.plans:
            config = self.config(record.params)
            self.plans[record.id] = Plan(config, self.keys(config))
        return self.plans[record.id]

    def keys_of(self, record: TrialRecord) -> list[str]:
        """The keys of what a trial makes; none where it cannot be planned any more, as when data
        is gone: whoever is to run it asks for its plan, and ends it with the reason."""
        try:
            return self.plan(record).keys
        except Exception:
            return []

    def change(self, record: TrialRecord) -> TrialRecord:
        """Put a record in the place of the one that the trial had."""
        self._holding(record.id)[record.id] = record
        return record

    def get(self, trial: TrialId) -> TrialRecord:
        return self._holding(trial)[trial]

    def take(self, trial: TrialId) -> TrialRecord:
        """Take a trial out, its plan kept."""
        return self._holding(trial).pop(trial)

    def num_taken(self) -> int:
        """The number of slots that are taken."""
        return len(self.live) + len(self.adopted)

    def all(self) -> list[TrialId]:
        return sorted([*self.adopted, *self.live, *self.paused])

    def _holding(self, trial: TrialId) -> dict[TrialId, TrialRecord]:
        for records in (self.live, self.paused, self.adopted):
            if trial in records:
                return records
        raise AssertionError(f"trial {trial} is not under way")
