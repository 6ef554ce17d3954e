"""Which running trials go on: asynchronous successive halving on every objective at once.

ASHA (https://arxiv.org/abs/1810.05934) with pausing, on the rungs of `rung.Rung`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from automl.study.stopping.rung import FREE, Entry, Rung

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
    unless it goes on before: `stoppers` holds, for each of those, who stopped at which rung.
    `running` holds each trial's key at each rung.
    """

    def __init__(self, free: int = FREE) -> None:
        self.free = free
        self.rungs: dict[Place, Rung] = {}
        self.running: dict[int, dict[Place, str]] = {}
        self.stoppers: dict[int, dict[int, Place]] = {}
        self.paused: dict[int, _Paused] = {}
        self.entered: dict[tuple[Place, str], _Entered] = {}
        self.waiting: dict[Place, dict[str, int]] = defaultdict(dict)
        self.nobody_fits: dict[Place, int] = {}
        """How many entries a rung had when none of those that wait there was among its best."""
        self.changed: set[int] = set()

    def goes_on(self, number: int, place: Place | None = None, entry: Entry | None = None) -> bool:
        """Take a trial's report, at a rung or between two; False pauses it."""
        keys = self.running.setdefault(number, {})
        # Who goes on from a checkpoint is not judged again by what was reached before it.
        if place is not None and entry is not None and self._enter(number, place, entry):
            keys[place] = entry.key
            self.changed.add(number)
            if entry.key not in self.rungs[place].best():
                return self._pause(number, place)
        if number in self.stoppers:
            return self._pause(number, next(iter(self.stoppers[number].values())))
        return True

    def to_resume(self) -> int | None:
        """The paused trial that should go on first: of those furthest, the oldest."""
        for place in sorted(self.waiting, key=lambda place: (-place[1], place)):
            waiting, rung = self.waiting[place], self.rungs[place]
            if self.nobody_fits.get(place) == rung.added:
                continue
            # Far more wait than are among the best.
            if fit := [waiting[key] for key in rung.best() if key in waiting]:
                return min(fit)
            self.nobody_fits[place] = rung.added
        return None

    def resume(self, number: int) -> None:
        trial = self.paused.pop(number)
        del self.waiting[trial.place][trial.keys[trial.place]]
        self.running[number] = trial.keys
        self.changed.add(number)
        for other in [other for other, by in self.stoppers.items() if number in by]:
            del self.stoppers[other][number]
            if not self.stoppers[other]:
                del self.stoppers[other]
            self.changed.add(other)

    def end(self, number: int) -> None:
        """A trial has ended by itself."""
        self.running.pop(number, None)
        self.stoppers.pop(number, None)

    def record(self, number: int) -> dict[str, Any]:
        """A trial's places, JSON-able, for `restored`."""
        paused = self.paused.get(number)
        keys = paused.keys if paused else self.running.get(number, {})
        entries = [
            [known.order, *place, key, list(known.entry.values), known.entry.violation]
            for place, key in keys.items()
            for known in [self.entered[place, key]]
        ]
        return {
            "entries": entries,
            "paused_at": list(paused.place) if paused else None,
            "stoppers": [[by, *place] for by, place in self.stoppers.get(number, {}).items()],
        }

    def _enter(self, number: int, place: Place, entry: Entry) -> bool:
        """False when the rung has had an entry of that key."""
        if (place, entry.key) in self.entered:
            return False
        self.entered[place, entry.key] = _Entered(len(self.entered), number, entry)
        if place not in self.rungs:
            self.rungs[place] = Rung(self.free)
        self.rungs[place].add(entry)
        return True

    def _pause(self, number: int, place: Place) -> bool:
        """Let those running that it dominates at its rung pause, too, when they report next."""
        self.stoppers.pop(number, None)
        self._wait(number, place, self.running.pop(number))
        self.changed.add(number)
        for key in self.rungs[place].dominates(self.paused[number].keys[place]):
            other = self.entered[place, key].number
            if other in self.running:
                self.stoppers.setdefault(other, {})[number] = place
                self.changed.add(other)
        return False

    def _wait(self, number: int, place: Place, keys: dict[Place, str]) -> None:
        self.paused[number] = _Paused(place, keys)
        self.waiting[place][keys[place]] = number
        self.nobody_fits.pop(place, None)


def restored(
    records: Mapping[int, Mapping[str, Any]],
    running: Container[int],
    paused: Container[int],
    free: int = FREE,
) -> StopRule:
    """The rule as it was, from what `record` said of each trial; `running` ones run again.

    Of those that are neither running nor paused any more, only the entries are left.
    """
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
            rule.running[number] = keys[number]
            if record["stoppers"]:
                rule.stoppers[number] = {
                    by: (step, epoch) for by, step, epoch in record["stoppers"]
                }
        elif number in paused:
            label, epoch = record["paused_at"]
            rule._wait(number, (label, epoch), keys[number])
    return rule
