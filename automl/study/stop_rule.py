"""Which running trials go on: asynchronous successive halving on every objective at once.

ASHA (https://arxiv.org/abs/1810.05934) with pausing, on the rungs of `rung.Rung`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automl.study.rung import FREE, Entry, Rung

FIRST_RUNG_EPOCH = 2
STEP = 3
"""From one rung to the next there are so many times the epochs."""

Place = tuple[str, int]
"""A rung's name: what is compared there, and after which epoch."""


def is_rung(epoch: int, epochs: int) -> bool:
    """Whether trials are compared after this epoch: 2, 6, 18, … up to a third of them all."""
    rung = FIRST_RUNG_EPOCH
    while rung < epoch:
        rung *= STEP
    return rung == epoch and epoch * STEP <= epochs


@dataclass
class _Running:
    """A running trial: its key at each rung, and who, stopped at which rung, dominates it."""

    keys: dict[Place, str] = field(default_factory=dict)
    stoppers: dict[int, Place] = field(default_factory=dict)


@dataclass(frozen=True)
class _Paused:
    place: Place
    keys: dict[Place, str]


@dataclass(frozen=True)
class _Entered:
    """An entry, by whom, and as which of a search."""

    order: int
    number: int
    entry: Entry


class StopRule:
    """The verdicts on every report of a search, and who may go on later.

    A paused trial goes on when its entry comes to be among the best of its rung. Whoever
    stops at a rung pauses, at their next report, the running ones that it dominates there,
    unless it goes on before.
    """

    def __init__(self, free: int = FREE) -> None:
        self.free = free
        self.rungs: dict[Place, Rung] = {}
        self.running: dict[int, _Running] = defaultdict(_Running)
        self.paused: dict[int, _Paused] = {}
        self.entered: dict[tuple[Place, str], _Entered] = {}
        self.waiting: dict[Place, dict[str, int]] = defaultdict(dict)
        self.changed: set[int] = set()

    def goes_on(self, number: int, place: Place | None = None, entry: Entry | None = None) -> bool:
        """Take a trial's report, at a rung or between two; False pauses it."""
        trial = self.running[number]
        # Who goes on from a checkpoint is not judged again by what was reached before it.
        if place is not None and entry is not None and self._enter(number, place, entry):
            trial.keys[place] = entry.key
            self.changed.add(number)
            if entry.key not in self.rungs[place].best():
                return self._pause(number, place)
        if trial.stoppers:
            return self._pause(number, next(iter(trial.stoppers.values())))
        return True

    def to_resume(self) -> int | None:
        """The paused trial that should go on first: of those furthest, the oldest."""
        for place in sorted(self.waiting, key=lambda place: (-place[1], place)):
            waiting = self.waiting[place]
            if fit := waiting.keys() & self.rungs[place].best():
                return min(waiting[key] for key in fit)
        return None

    def resume(self, number: int) -> None:
        trial = self.paused.pop(number)
        del self.waiting[trial.place][trial.keys[trial.place]]
        self.running[number] = _Running(trial.keys)
        self.changed.add(number)
        for other, running in self.running.items():
            if number in running.stoppers:
                del running.stoppers[number]
                self.changed.add(other)

    def end(self, number: int) -> None:
        """A trial has ended by itself."""
        self.running.pop(number, None)

    def record(self, number: int) -> dict[str, Any]:
        """A trial's places, JSON-able, for `restored`."""
        paused, running = self.paused.get(number), self.running.get(number, _Running())
        keys = paused.keys if paused else running.keys
        entries = [
            [known.order, *place, key, list(known.entry.values), known.entry.violation]
            for place, key in keys.items()
            for known in [self.entered[place, key]]
        ]
        return {
            "entries": entries,
            "paused_at": list(paused.place) if paused else None,
            "stoppers": [[stopper, *place] for stopper, place in running.stoppers.items()],
        }

    def _enter(self, number: int, place: Place, entry: Entry) -> bool:
        """False when the rung has had an entry of that key."""
        if (place, entry.key) in self.entered:
            return False
        self.entered[place, entry.key] = _Entered(len(self.entered), number, entry)
        self.rungs.setdefault(place, Rung(self.free)).add(entry)
        return True

    def _pause(self, number: int, place: Place) -> bool:
        """Let those running that it dominates at its rung pause, too, when they report next."""
        self._wait(number, place, self.running.pop(number).keys)
        self.changed.add(number)
        for key in self.rungs[place].dominates(self.paused[number].keys[place]):
            other = self.entered[place, key].number
            if other in self.running:
                self.running[other].stoppers[number] = place
                self.changed.add(other)
        return False

    def _wait(self, number: int, place: Place, keys: dict[Place, str]) -> None:
        self.paused[number] = _Paused(place, keys)
        self.waiting[place][keys[place]] = number


def restored(
    records: Mapping[int, Mapping[str, Any]], running: set[int], free: int = FREE
) -> StopRule:
    """The rule as it was, from what `record` said of each trial; `running` ones run again."""
    rule = StopRule(free)
    keys: dict[int, dict[Place, str]] = defaultdict(dict)
    entries = [
        (*entry, number) for number, record in records.items() for entry in record["entries"]
    ]
    for _, label, epoch, key, values, violation, number in sorted(entries):
        rule._enter(number, (label, epoch), Entry(key, tuple(values), violation))
        keys[number][label, epoch] = key
    for number, record in records.items():
        if number in running:
            stoppers = {stopper: (label, epoch) for stopper, label, epoch in record["stoppers"]}
            rule.running[number] = _Running(keys[number], stoppers)
        elif record["paused_at"] is not None:
            label, epoch = record["paused_at"]
            rule._wait(number, (label, epoch), keys[number])
    return rule
