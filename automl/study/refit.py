"""The front's members trained again: longer, from scratch, at the very shape they were cut to.

A cut architecture that is trained long enough beats the weights that it inherited
(https://arxiv.org/abs/1810.05270).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from automl import pareto
from automl.config import decode, encode
from automl.errors import UserError
from automl.models.family import Spec
from automl.space.exploring import check
from automl.space.space import TrialConfig
from automl.study.background import Later
from automl.study.dispatcher import Proposer
from automl.study.record import REFIT, TrialRecord
from automl.study.study import Study
from automl.training.loop import Train
from automl.trial.result import TrialResult

LENGTH = 2
"""A refit trains so many times as long."""


def again(config: TrialConfig, spec_after: Callable[[int], Spec | None]) -> TrialConfig | None:
    """The config of a refit; None where there is no training to repeat.

    `spec_after(position)` is what a step had made of the model. Cuts and the fine-tuning after
    them give way to a training at the shape that they led to; what follows, as quantizing, stays.
    """
    first = config.recipe[0] if config.recipe else None
    if not isinstance(first, Train):
        return None
    model, rest = config.model, config.recipe[1:]
    epochs = LENGTH * first.epochs
    cuts = [i for i, step in enumerate(config.recipe) if step.cuts]
    spec = spec_after(cuts[-1]) if cuts else None
    if spec is not None and not spec.layer_edits:
        later = config.recipe[cuts[-1] + 1 :]
        model, rest = spec.model, tuple(step for step in later if not isinstance(step, Train))
        epochs += sum(step.epochs for step in config.recipe[1:] if isinstance(step, Train))
    refit = replace(config, model=model, recipe=(replace(first, epochs=epochs), *rest))
    try:
        check(refit)
    except UserError:
        return None
    return refit


class Refitter:
    """Hands out the refits of a front's members, those that hold most of it first.

    They are told in the study beside its trials, and run again when they were left running.
    """

    def __init__(
        self,
        study: Study,
        writing: Later,
        keys_of: Callable[[TrialConfig], list[str]],
        config_of: Callable[[TrialRecord], TrialConfig],
        read: Callable[[str, str], bytes | None],
    ) -> None:
        self.study, self.writing, self.read = study, writing, read
        self.keys_of, self.config_of = keys_of, config_of
        self.known = {record.number: record for record in study.refits()}
        self.queue: list[TrialRecord] = []
        self.least: dict[int, float] = {}
        self.live: dict[int, TrialRecord] = {}
        self.making: dict[int, tuple[TrialConfig, list[str]]] = {}
        self.has_begun = False

    def begin(self, front: Sequence[TrialRecord]) -> None:
        """Line up what a killed run left, and every member without a refit."""
        self.has_begun = True
        self.queue = [
            replace(record, result=None, is_again=True)
            for record in self.known.values()
            if record.result is None or record.result.status == "stopped"
        ]
        self.least = dict.fromkeys((record.number for record in self.queue), 0.0)
        trials = [record for record in front if record.number < REFIT]
        for record in sorted(trials, key=lambda r: -_share(r, front, self.study)):
            number = REFIT + record.number
            if number in self.known:
                continue
            refit = again(self.config_of(record), self._specs(record))
            if refit is not None:
                self.queue.append(_record(record, refit))
                self.least[number] = record.result.seconds if record.result else 0.0
        for record in self.queue:
            config = decode(json.loads(record.config))
            self.making[record.number] = config, self.keys_of(config)

    def next(self, seconds_left: float = math.inf) -> TrialRecord | None:
        """The next refit that can be expected to end in time: none takes less than its trial.

        One waits while another makes a prefix of its.
        """
        self.queue = [r for r in self.queue if self.least[r.number] <= seconds_left]
        made = {key for number in self.live for key in self.making[number][1]}
        for record in self.queue:
            if made.isdisjoint(self.making[record.number][1]):
                self.queue.remove(record)
                self.live[record.number] = record
                self._write(record)
                return record
        return None

    def finish(self, number: int, result: TrialResult) -> TrialRecord:
        record = replace(self.live.pop(number), result=result)
        del self.making[number]
        self._write(record)
        return record

    def is_over(self) -> bool:
        return self.has_begun and not (self.queue or self.live)

    def _specs(self, record: TrialRecord) -> Callable[[int], Spec | None]:
        keys = self.keys_of(self.config_of(record))

        def spec_after(position: int) -> Spec | None:
            found = self.read(keys[position], "spec.json")
            spec: Spec | None = decode(json.loads(found)) if found else None
            return spec

        return spec_after

    def _write(self, record: TrialRecord) -> None:
        self.known[record.number] = record
        result = None if record.result is None else encode(record.result)
        about = {"params": record.params, "config": record.config, "result": result}
        about["ended"] = 0.0 if result is None else time.time()
        self.writing(self.study.set_attribute, f"refit-{record.number - REFIT}", about)


def _record(origin: TrialRecord, config: TrialConfig) -> TrialRecord:
    text = json.dumps(encode(config))
    return TrialRecord(REFIT + origin.number, origin.params, origin.distributions, config=text)


def _share(record: TrialRecord, front: Sequence[TrialRecord], study: Study) -> float:
    """The hypervolume that would be missing without a member."""
    axes = study.settings.axes
    others: list[Any] = [member.values for member in front if member is not record]
    return pareto.hypervolume([*others, record.values], axes) - pareto.hypervolume(others, axes)


class Lineup:
    """The search's trials while it lasts, then the refits."""

    def __init__(
        self,
        proposer: Proposer,
        refitter: Refitter,
        searching: Callable[[], bool],
        front: Callable[[], Sequence[TrialRecord]],
        seconds_left: Callable[[], float],
        wanted: bool,
    ) -> None:
        self.proposer, self.refitter = proposer, refitter
        self.searching, self.front, self.wanted = searching, front, wanted
        self.seconds_left = seconds_left

    def next(self) -> TrialRecord | None:
        """The next trial; None while none is due, or `is_over`."""
        if self._searches():
            return self.proposer.next()
        if not self.refitter.has_begun and self.wanted:
            self.refitter.begin(self.front())
        if self.proposer.max_live <= len(self.proposer.live) + len(self.refitter.live):
            return None
        return self.refitter.next(self.seconds_left())

    def is_over(self) -> bool:
        """Whether nothing runs, and nothing more will."""
        if self._searches() or self.proposer.live:
            return False
        return self.refitter.is_over() or not self.wanted

    def config(self, number: int) -> TrialConfig:
        """Of a trial that is handed out."""
        makers = self.refitter if number >= REFIT else self.proposer
        return makers.making[number][0]

    def _searches(self) -> bool:
        return self.searching() and not self.proposer.is_over()
