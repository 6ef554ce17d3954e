"""Refits: the front's members trained again, longer, at the very shape they were cut to.

A cut architecture that is trained long enough beats the weights that it inherited
(https://arxiv.org/abs/1810.05270).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from automl import pareto
from automl.config import decode, encode
from automl.errors import UserError
from automl.faults import Faults
from automl.models.family import Spec
from automl.space.exploring import check
from automl.space.space import TrialConfig
from automl.study.background import BackgroundThread
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.trial_id import TrialId
from automl.study.under_way import Plan
from automl.training.loop import Train
from automl.trial.result import Status, TrialResult

LENGTH = 2
"""A refit's training is this many times as long."""


def refit_config(
    config: TrialConfig, spec_after: Callable[[int], Spec | None]
) -> TrialConfig | None:
    """The config of a refit; None where there is no training to repeat.

    `spec_after(position)` is what a step had made of the model. Cuts and the fine-tuning after
    them give way to a training at the shape that they led to; all else, as quantizing, stays.
    """
    first = config.recipe[0] if config.recipe else None
    if not isinstance(first, Train):
        return None
    model, rest = config.model, config.recipe[1:]
    epochs = LENGTH * first.epochs
    cuts = [i for i, step in enumerate(config.recipe) if step.cuts]
    spec = spec_after(cuts[-1]) if cuts else None
    if spec is not None and not spec.layer_edits:
        tuned = [step for step in rest if isinstance(step, Train) and not step.compresses]
        model, epochs = spec.model, epochs + sum(step.epochs for step in tuned)
        rest = tuple(step for step in rest if not (step.cuts or step in tuned))
    refit = replace(config, model=model, recipe=(replace(first, epochs=epochs), *rest))
    try:
        check(refit)
    except UserError:
        return None
    return refit


class Refitter:
    """Hands out the refits of a front's members, first those of the most hypervolume.

    They are written beside the search's trials, and run again when they were left running. A
    refit takes no less than its trial did: `origins` has how that ended. `read` reads a file of a
    prefix from the store. A refit that cannot be planned, by a class of the user's or as the store
    is away, is among the `faults`.
    """

    def __init__(
        self,
        study: Study,
        writing: BackgroundThread,
        keys_of: Callable[[TrialConfig], list[str]],
        config_of: Callable[[TrialRecord], TrialConfig],
        read: Callable[[str, str], bytes | None],
        faults: Faults | None = None,
    ) -> None:
        self.faults = Faults() if faults is None else faults
        self.study, self.writing, self.read = study, writing, read
        self.keys_of, self.config_of = keys_of, config_of
        self.known = {record.id: record for record in study.refits()}
        self.queue: list[TrialRecord] = []
        self.origins: dict[TrialId, TrialResult] = {}
        self.live: dict[TrialId, TrialRecord] = {}
        self.plans: dict[TrialId, Plan] = {}
        self.has_begun = False

    def line_up(self, front: Sequence[TrialRecord]) -> None:
        """Line up every member without a refit, behind those of an earlier front and, the first
        time, what a killed run left."""
        if not self.has_begun:
            self.has_begun = True
            self.queue = [
                replace(record, result=None, ended=0.0, is_resumed=True)
                for record in self.known.values()
                if record.result is None or record.result.status is Status.STOPPED
            ]
        lined_up = self.known.keys() | {record.id for record in self.queue}
        trials = [record for record in front if not record.id.is_refit]
        for record in sorted(trials, key=lambda r: -_share(r, front, self.study)):
            refit = record.id.refit
            if refit not in lined_up and (planned := self._planned(record)) is not None:
                self.queue.append(planned)
                if record.result is not None:
                    self.origins[refit] = record.result
        self.queue = [record for record in self.queue if self._has_plan(record)]

    def _planned(self, origin: TrialRecord) -> TrialRecord | None:
        """The refit of a trial; None where there is none."""
        try:
            # A training that was shortened for want of time is made in full.
            full = self.config_of(replace(origin, config=""))
            config = refit_config(full, self._specs(origin))
        except Exception as error:
            self.faults.note("refit", "could not be planned", error)
            return None
        return None if config is None else _record(origin, config)

    def _has_plan(self, refit: TrialRecord) -> bool:
        try:
            config: TrialConfig = decode(json.loads(refit.config))
            self.plans[refit.id] = Plan(config, self.keys_of(config))
        except Exception as error:
            self.faults.note("refit", "could not be planned", error)
        return refit.id in self.plans

    def next(self, seconds_left: float = math.inf) -> TrialRecord | None:
        """The next refit that can be expected to end in time.

        A refit waits while another makes a prefix of its.
        """
        self.queue = [r for r in self.queue if self._least_seconds(r.id) <= seconds_left]
        made = {key for refit in self.live for key in self.plans[refit].keys}
        for record in self.queue:
            if made.isdisjoint(self.plans[record.id].keys):
                self.queue.remove(record)
                self.live[record.id] = record
                self._write(record)
                return record
        return None

    def end(self, refit: TrialId, result: TrialResult) -> TrialRecord:
        """Take how a refit ended."""
        record = replace(self.live.pop(refit), result=result, ended=time.time())
        if result.config:
            record = replace(record, config=result.config)
        del self.plans[refit]
        self._write(record)
        return record

    def _least_seconds(self, refit: TrialId) -> float:
        """The seconds of the trial; 0 for a refit that a killed run left."""
        origin = self.origins.get(refit)
        return origin.seconds + origin.reused_seconds if origin else 0.0

    def is_over(self) -> bool:
        """Tell whether no refit runs, and none will."""
        return self.has_begun and not (self.queue or self.live)

    def _specs(self, record: TrialRecord) -> Callable[[int], Spec | None]:
        keys = self.keys_of(self.config_of(record))

        def spec_after(position: int) -> Spec | None:
            found = self.read(keys[position], "spec.json")
            spec: Spec | None = decode(json.loads(found)) if found else None
            return spec

        return spec_after

    def _write(self, record: TrialRecord) -> None:
        self.known[record.id] = record
        self.writing(self.study.write_refit, record)


def _record(origin: TrialRecord, config: TrialConfig) -> TrialRecord:
    text = json.dumps(encode(config))
    return TrialRecord(origin.id.refit, origin.params, origin.distributions, config=text)


def _share(record: TrialRecord, front: Sequence[TrialRecord], study: Study) -> float:
    """The hypervolume that would be missing without a member."""
    axes = study.settings.axes
    others = [member.values for member in front if member is not record]
    return pareto.hypervolume([*others, record.values], axes) - pareto.hypervolume(others, axes)
