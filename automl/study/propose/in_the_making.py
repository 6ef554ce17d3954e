"""The prefixes in the making: what running trials make, and the proposals that wait for it."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count

from automl.study.propose.proposer import SLOTS_AT_EASE, Proposal
from automl.study.trial_id import TrialId

LEAST_WAITING = 4
"""The proposals that may wait for what others make, where there are no more slots than that: else
one for each slot, as all may be freed at once."""


class InTheMaking:
    """The keys of prefixes that running trials make, where others might make the same meanwhile.

    With one slot nobody would: then nothing is noted. `is_stored(key)` says whether a prefix's
    artifact is there; it is asked when a trial begins, and whenever it comes to its next step.
    A proposal waits for one of its keys at a time: when that is made, the next is looked for.
    Once as many wait as may, a free slot of few stays empty. Those of many are tried one at a
    time, by draws that leave out what would have to wait, too.
    """

    def __init__(self, is_stored: Callable[[str], bool], slots: int) -> None:
        self.is_stored, self.slots = is_stored, slots
        self.unmade: dict[TrialId, set[str]] = {}
        self.steps: dict[TrialId, str] = {}
        self.makers: Counter[str] = Counter()
        self.waiting: dict[int, Proposal] = {}
        self.numbers = count()
        self.blocked = defaultdict[str, list[int]](list)
        self.unblocked: list[int] = []

    @property
    def few_slots(self) -> bool:
        return self.slots <= SLOTS_AT_EASE

    def is_full(self, num_drawing: int = 0) -> bool:
        """Tell whether as many proposals wait as may, with those that are being drawn."""
        return len(self.waiting) + num_drawing >= max(LEAST_WAITING, self.slots)

    def leaves_out(self, keys: Sequence[str]) -> bool:
        """Tell whether a proposal of these keys would have to wait, though enough do already."""
        return not self.few_slots and self.is_full() and self.has_any(keys)

    def begin(self, trial: TrialId, keys: Iterable[str]) -> None:
        """Note what a trial that begins will make."""
        unmade = {key for key in keys if not self.is_stored(key)} if self.slots > 1 else set()
        self.unmade[trial] = unmade
        self.makers.update(unmade)

    def reach(self, trial: TrialId, step: str) -> None:
        """Note that a trial is at a step: what it made until then is stored."""
        if self.steps.get(trial) != step:
            self.steps[trial] = step
            stored = {key for key in self.unmade[trial] if self.is_stored(key)}
            self.unmade[trial] -= stored
            self._release(stored)

    def end(self, trial: TrialId) -> None:
        """Note that a trial makes nothing any more."""
        self._release(self.unmade.pop(trial, set()))
        self.steps.pop(trial, None)

    def resize(self, slots: int, running: Mapping[TrialId, list[str]]) -> None:
        """Note what running trials make, given by their keys, when their number changes."""
        self.slots = slots
        for trial, keys in running.items():
            if not self.unmade[trial]:
                self.begin(trial, keys)

    def has_any(self, keys: Iterable[str]) -> bool:
        """Tell whether some of the keys are in the making."""
        return any(key in self.makers for key in keys)

    def wait(self, proposal: Proposal) -> None:
        """Keep a proposal until nothing is in the making that it would make."""
        number = next(self.numbers)
        self.waiting[number] = proposal
        self._block(number)

    def ready(self) -> Proposal | None:
        """The first of the waiting proposals that need not wait any more."""
        while self.unblocked:
            number = heapq.heappop(self.unblocked)
            if not self._block(number):
                return self.waiting.pop(number)
        return None

    def _block(self, number: int) -> bool:
        """Have a proposal wait for a key of its that is in the making; False where none is."""
        key = next((key for key in self.waiting[number].keys if key in self.makers), None)
        if key is not None:
            self.blocked[key].append(number)
        return key is not None

    def _release(self, keys: Iterable[str]) -> None:
        """Let those go on that wait for these keys, unless another trial makes them, too."""
        for key in keys:
            self.makers[key] -= 1
            if not self.makers[key]:
                del self.makers[key]
                for number in self.blocked.pop(key, ()):
                    heapq.heappush(self.unblocked, number)
