"""Which running trials go on: asynchronous successive halving on every objective at once.

ASHA (https://arxiv.org/abs/1810.05934) with pausing, on the rungs of `rung.Rung`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automl.study.rung import SHARE, Entry, Rung

FIRST_RUNG_EPOCH = 2

Place = tuple[str, int]
"""A rung's name: what is compared there, and after which epoch."""


def is_rung(epoch: int, epochs: int) -> bool:
    """Whether trials are compared after this epoch: 2, 6, 18, … up to a third of them all."""
    rung = FIRST_RUNG_EPOCH
    while rung < epoch:
        rung *= SHARE
    return rung == epoch and epoch * SHARE <= epochs


@dataclass
class _Running:
    """A running trial: its key at each rung, and who, stopped at which rung, dominates it."""

    keys: dict[Place, str] = field(default_factory=dict)
    stoppers: dict[int, Place] = field(default_factory=dict)


@dataclass(frozen=True)
class _Paused:
    place: Place
    keys: dict[Place, str]


class StopRule:
    """The verdicts on every report of a search, and who may go on later.

    A paused trial goes on when its entry comes to be among the best of its rung. Whoever
    stops at a rung pauses, at their next report, the running ones that it dominates there,
    unless it goes on before.
    """

    def __init__(self) -> None:
        self.rungs: dict[Place, Rung] = {}
        self.running: dict[int, _Running] = defaultdict(_Running)
        self.paused: dict[int, _Paused] = {}
        self.entered: dict[tuple[Place, str], int] = {}
        self.waiting: dict[Place, dict[str, int]] = defaultdict(dict)

    def goes_on(self, number: int, place: Place | None = None, entry: Entry | None = None) -> bool:
        """Take a trial's report, at a rung or between two; False pauses it."""
        trial = self.running[number]
        if place is not None and entry is not None:
            rung = self._enter(place, entry)
            # Who goes on from another's checkpoint is not judged by what that one had reached.
            if rung.makers[entry.key] == number:
                trial.keys[place] = entry.key
                if entry.key not in rung.best():
                    return self._pause(number, place)
        if trial.stoppers:
            return self._pause(number, next(iter(trial.stoppers.values())))
        return True

    def to_resume(self) -> int | None:
        """The paused trial that should go on first: of those furthest, the oldest."""
        for place in sorted(self.waiting, key=lambda place: (-place[1], place)):
            waiting = self.waiting[place]
            fit = [waiting[key] for key in self.rungs[place].best() if key in waiting]
            if fit:
                return min(fit)
        return None

    def resume(self, number: int) -> None:
        trial = self.paused.pop(number)
        del self.waiting[trial.place][trial.keys[trial.place]]
        self.running[number] = _Running(trial.keys)
        for other in self.running.values():
            other.stoppers.pop(number, None)

    def end(self, number: int) -> None:
        """A trial has ended by itself."""
        self.running.pop(number, None)

    def record(self, number: int) -> dict[str, Any]:
        """A trial's places, JSON-able, for `restored`."""
        paused = self.paused.get(number)
        keys = paused.keys if paused else self.running[number].keys
        entries = [
            [self.entered[place, key], *place, key, list(entry.values), entry.violation]
            for place, key in keys.items()
            for entry in self.rungs[place].entries
            if entry.key == key
        ]
        return {"entries": entries, "paused_at": list(paused.place) if paused else None}

    def _enter(self, place: Place, entry: Entry) -> Rung:
        rung = self.rungs.setdefault(place, Rung())
        rung.add(entry)
        self.entered.setdefault((place, entry.key), len(self.entered))
        return rung

    def _pause(self, number: int, place: Place) -> bool:
        trial = self.running.pop(number)
        self.paused[number] = _Paused(place, trial.keys)
        self.waiting[place][trial.keys[place]] = number
        self._condemn(number, place)
        return False

    def _condemn(self, number: int, place: Place) -> None:
        """Let those running that it dominates at its rung pause when they report next."""
        dominated = self.rungs[place].dominates(self.paused[number].keys[place])
        for other in self.running.values():
            if other.keys.get(place) in dominated:
                other.stoppers[number] = place


def restored(records: Mapping[int, Mapping[str, Any]], running: set[int]) -> StopRule:
    """The rule as it was, from what `record` said of each trial; `running` ones run again."""
    rule = StopRule()
    keys: dict[int, dict[Place, str]] = defaultdict(dict)
    entries = [
        (*entry, number) for number, record in records.items() for entry in record["entries"]
    ]
    for _, label, epoch, key, values, violation, number in sorted(entries):
        rule._enter((label, epoch), Entry(key, number, tuple(values), violation))
        keys[number][label, epoch] = key
    for number in running:
        rule.running[number] = _Running(keys[number])
    for number, record in records.items():
        if record["paused_at"] is not None and number not in running:
            label, epoch = record["paused_at"]
            rule.running[number] = _Running(keys[number])
            rule._pause(number, (label, epoch))
    return rule
