"""Shorter trainings for a trial whose recipe takes more time than there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from automl.data.dataset import Data
from automl.recipe import STATISTICS_ROWS, Step
from automl.space.space import TrialConfig
from automl.training.loop import Train
from automl.trial.time_limit import NO_TIME, Pace

LENGTHS = [share / 2**halvings for halvings in range(13) for share in (1.0, 0.75)][1:]
"""The lengths that trainings are shortened to. There are few of them, so that trials of one
training come to the same length and share it."""
LEAST_BATCHES = 20
"""The shortest training that is worth anything."""


def passes(recipe: Sequence[Step], data: Data) -> float:
    """The passes of a row through the network in all trainings of a recipe, but for those of
    siblings."""
    rows, validation = len(data.train.targets), len(data.validation.targets)
    total = 0.0
    for step in recipe:
        total += training_passes(step, rows)
        if isinstance(step, Train):
            total += step.epochs * validation
    return total


def training_passes(step: Step, num_rows: int) -> float:
    """The passes of a row in the training of one step, but for those of validation rows."""
    work = step.work(1.0, 1.0, float(bool(step.teacher)), num_rows)
    return max(0.0, work - STATISTICS_ROWS) if step.compresses else work


@dataclass(frozen=True)
class Shortening:
    """A choice of the longest trainings that fit into the time of a trial.

    The trainings of `config` from the step at `position` on, of which the `pace` is known, are
    made shorter, and so will be those of the steps that come `later`, which it teaches.
    `num_stored` tells how many steps of a config have their result in the store.
    """

    config: TrialConfig
    position: int
    pace: Pace
    data: Data
    num_stored: Callable[[TrialConfig], int]
    later: Sequence[Step] = ()

    def longest(self) -> TrialConfig | None:
        """The longest config that fits into the trial's share of the time; the shortest where
        only all the time that is left is enough, and None where that is not.

        A training that is stored is taken before one that is not, unless the latter is more than
        twice as long.
        """
        left = self.pace.time.training_seconds_left()
        best: tuple[float, TrialConfig] | None = None
        shortest = None
        for share, shorter in self._shorter():
            if best is not None and share < best[0] / 2:
                break
            first = max(self.position, self.num_stored(shorter))
            fits = self._seconds(shorter, first, share) <= left
            if fits and first > self.position:
                return shorter
            if fits and best is None:
                best = share, shorter
            is_possible = self._seconds(shorter, first, share) <= self.pace.time.seconds_left()
            shortest = shorter if is_possible else None
        return best[1] if best else shortest

    def words(self, shorter: TrialConfig) -> str:
        """The length that a training came to have, in a few words."""
        step, new = self.config.recipe[self.position], shorter.recipe[self.position]
        assert isinstance(step, Train) and isinstance(new, Train)
        words = [f"{new.epochs} of {step.epochs} epochs"] if new.epochs != step.epochs else []
        if new.row_share != step.row_share:
            words.append(f"{new.row_share:.2g} of the rows")
        return f"{step.label} {', '.join(words)}"

    def sentence(self, shorter: TrialConfig) -> str:
        """A sentence on why a training is made shorter, and how much."""
        return (
            f"an epoch takes about {self._epoch_seconds():.0f} s, and the search has "
            f"{self.pace.time.seconds:.0f} s for a trial: shortened to {self.words(shorter)}"
        )

    def no_time(self) -> str:
        """The sentence on a trial for which there is no time, and what to change."""
        step, own_time, data = self.config.recipe[self.position], self.pace.time, self.data
        assert isinstance(step, Train) and own_time.limit is not None
        share = self._least_rows() / (step.epochs * step.row_share * len(data.train.targets))
        least = share * self.pace.passes * self.pace.seconds_per_pass
        needed = share * self.pace.all_passes * self.pace.seconds_per_pass
        left = max(0.1, own_time.seconds_left())
        times = (needed + own_time.limit.finishing_seconds) / left
        return (
            f"{NO_TIME}: an epoch takes about {self._epoch_seconds():.0f} s, its first "
            f"{LEAST_BATCHES} batches {least:.0f} s, and the search has {left:.0f} s left; "
            f"give about {max(2, round(times))} times the time, or smaller models"
        )

    def _shorter(self) -> Iterator[tuple[float, TrialConfig]]:
        """Each length and the config of that length, the longest first."""
        before, last = self.config.recipe[: self.position], self.config
        for share in LENGTHS:
            rest = (step.shortened(share) for step in self.config.recipe[self.position :])
            shorter = replace(self.config, recipe=(*before, *rest))
            step = shorter.recipe[self.position]
            assert isinstance(step, Train)
            num_rows = len(self.data.train.targets)
            if step.epochs * step.row_share * num_rows < self._least_rows():
                return
            if shorter != last:
                yield share, shorter
            last = shorter

    def _seconds(self, config: TrialConfig, first: int, share: float) -> float:
        """The seconds of all trainings from a step on."""
        later = [step.shortened(share) for step in self.later]
        return self.pace.seconds_per_pass * passes((*config.recipe[first:], *later), self.data)

    def _least_rows(self) -> float:
        step = self.config.recipe[self.position]
        assert isinstance(step, Train)
        return min(len(self.data.train.targets), LEAST_BATCHES * step.batch_size.at(0.0))

    def _epoch_seconds(self) -> float:
        """The seconds of an epoch over all rows, validation included."""
        step, num_rows = self.config.recipe[self.position], len(self.data.train.targets)
        assert isinstance(step, Train)
        own = training_passes(replace(step, epochs=1, row_share=1.0), num_rows)
        return self.pace.seconds_per_pass * (own + len(self.data.validation.targets))
