"""The stop rule, asynchronous successive halving on all objectives: which running trials go on.

ASHA (https://arxiv.org/abs/1810.05934) with pausing, on the rungs of `rung_ranking.Rung`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping
from dataclasses import dataclass

from automl.study.rung_state import Entered, Entry, RungName, RungState, Stopper
from automl.study.stopping.rung_ranking import FREE, Rung
from automl.study.trial_id import TrialId

FIRST_RUNG_EPOCH = 2
STEP = 2
"""From one rung to the next the epochs grow by this factor."""
LEAST_EPOCHS = 20
"""Shorter trainings are not compared: on the joint table of digits, whose trainings have 18 epochs,
stopping gained nothing with reuse, and cost without (`tests/benchmarks/stop_rule.py`)."""


def is_rung(epoch: int, epochs: int) -> bool:
    """Tell whether trials are compared after an epoch: 2, 4, 8, … up to half of them all.

    First rung, spacing and share are what won on one half of the tables of long trainings, and
    was confirmed on the other (`tests/benchmarks/stop_rule_long.py`).
    """
    rung = FIRST_RUNG_EPOCH
    while rung < epoch:
        rung *= STEP
    return epochs >= LEAST_EPOCHS and rung == epoch and epoch * STEP <= epochs


@dataclass(frozen=True, slots=True)
class _Paused:
    """A paused trial: the rung where it waits, and its key at each rung that it has entered."""

    rung: RungName
    keys: dict[RungName, str]


class StopRule:
    """The verdicts on every report of a search, and who may go on later.

    A paused trial goes on when its entry comes to be among the best of its rung. A trial that
    pauses at a rung makes the running ones that it dominates there pause at their next report,
    unless it goes on before: `stoppers` holds, for each of those, which trial stops it at which
    rung. `running` holds each trial's key at each rung.
    """

    def __init__(self, free: int = FREE) -> None:
        self.free = free
        self.rungs: dict[RungName, Rung] = {}
        self.running: dict[TrialId, dict[RungName, str]] = {}
        self.stoppers: dict[TrialId, dict[TrialId, RungName]] = {}
        self.paused: dict[TrialId, _Paused] = {}
        self.entered: dict[tuple[RungName, str], Entered] = {}
        self.waiting: dict[RungName, dict[str, TrialId]] = defaultdict(dict)
        self.nobody_fits: dict[RungName, int] = {}
        """The entries that a rung had when no trial that waits there was among its best."""
        self.changed: set[TrialId] = set()

    def goes_on(
        self, trial: TrialId, name: RungName | None = None, entry: Entry | None = None
    ) -> bool:
        """Take a trial's report, at a rung or between two; False pauses the trial."""
        keys = self.running.setdefault(trial, {})
        # A trial that goes on from a checkpoint is not compared by what was reached before it.
        if name is not None and entry is not None and self._enter(trial, name, entry):
            keys[name] = entry.key
            self.changed.add(trial)
            if entry.key not in self.rungs[name].best():
                self._pause(trial, name)
                return False
        if trial in self.stoppers:
            self._pause(trial, next(iter(self.stoppers[trial].values())))
            return False
        return True

    def to_resume(self) -> TrialId | None:
        """The paused trial that should go on first: of those furthest, the oldest."""
        for name in sorted(self.waiting, key=lambda name: (-name.epoch, name)):
            waiting, rung = self.waiting[name], self.rungs[name]
            if self.nobody_fits.get(name) == rung.added:
                continue
            # Far more wait than are among the best.
            if fit := [waiting[key] for key in rung.best() if key in waiting]:
                return min(fit)
            self.nobody_fits[name] = rung.added
        return None

    def resume(self, trial: TrialId) -> None:
        """Let a paused trial go on, and so the trials that it would have stopped."""
        paused = self.paused.pop(trial)
        del self.waiting[paused.rung][paused.keys[paused.rung]]
        self.running[trial] = paused.keys
        self.changed.add(trial)
        for other in [other for other, by in self.stoppers.items() if trial in by]:
            del self.stoppers[other][trial]
            if not self.stoppers[other]:
                del self.stoppers[other]
            self.changed.add(other)

    def end(self, trial: TrialId) -> None:
        """Note that a trial has ended by itself."""
        self.running.pop(trial, None)
        self.stoppers.pop(trial, None)
        self.changed.discard(trial)

    def state(self, trial: TrialId) -> RungState:
        """The state of a trial, for `restore`."""
        paused = self.paused.get(trial)
        keys = paused.keys if paused else self.running.get(trial, {})
        return RungState(
            entries=tuple(self.entered[name, key] for name, key in keys.items()),
            paused_at=paused.rung if paused else None,
            stopped_by=tuple(Stopper(*by) for by in self.stoppers.get(trial, {}).items()),
        )

    def restore(
        self,
        states: Mapping[TrialId, RungState],
        running: Container[TrialId],
        paused: Container[TrialId],
    ) -> None:
        """Be the rule that gave these states of trials; `running` ones run again.

        Of trials that are neither running nor paused any more, only the entries are left.
        """
        keys: dict[TrialId, dict[RungName, str]] = defaultdict(dict)
        entries = [entered for state in states.values() for entered in state.entries]
        for entered in sorted(entries, key=lambda entered: entered.order):
            self._enter(entered.trial, entered.rung, entered.entry)
            keys[entered.trial][entered.rung] = entered.entry.key
        for trial, state in states.items():
            if trial in running:
                self.running[trial] = keys[trial]
                if state.stopped_by:
                    self.stoppers[trial] = {by.trial: by.rung for by in state.stopped_by}
            elif trial in paused:
                assert state.paused_at is not None
                self._wait(trial, state.paused_at, keys[trial])

    def _enter(self, trial: TrialId, name: RungName, entry: Entry) -> bool:
        """Enter an entry at a rung; False when the rung has had one of that key."""
        if (name, entry.key) in self.entered:
            return False
        self.entered[name, entry.key] = Entered(len(self.entered), trial, name, entry)
        if name not in self.rungs:
            self.rungs[name] = Rung(self.free)
        self.rungs[name].add(entry)
        return True

    def _pause(self, trial: TrialId, name: RungName) -> None:
        """Pause a trial, and at their next report the running ones that it dominates there."""
        self.stoppers.pop(trial, None)
        self._wait(trial, name, self.running.pop(trial))
        self.changed.add(trial)
        for key in self.rungs[name].dominates(self.paused[trial].keys[name]):
            other = self.entered[name, key].trial
            if other in self.running:
                self.stoppers.setdefault(other, {})[trial] = name
                self.changed.add(other)

    def _wait(self, trial: TrialId, name: RungName, keys: dict[RungName, str]) -> None:
        self.paused[trial] = _Paused(name, keys)
        self.waiting[name][keys[name]] = trial
        self.nobody_fits.pop(name, None)
