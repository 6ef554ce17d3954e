"""Where a stop rule of ours compares trials, and of how many one goes on, as benchmarks set it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

from automl.study.stopping import rung_ranking, stop_rule
from automl.study.stopping.stop_rule import StopRule


@dataclass(frozen=True)
class Rungs:
    """The first rung's epoch, the factor from one to the next, and of how many one goes on."""

    first: int
    spacing: int
    share: int

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """The rule's constants are these, for trainings of every length."""
        here = {"FIRST_RUNG_EPOCH": self.first, "STEP": self.spacing, "LEAST_EPOCHS": 0}
        with (
            patch.multiple(stop_rule, **here),
            patch.multiple(rung_ranking, SHARE=self.share),
        ):
            yield


TODAY = Rungs(stop_rule.FIRST_RUNG_EPOCH, stop_rule.STEP, rung_ranking.SHARE)
BEFORE = Rungs(2, 3, 2)
rule_before = partial(StopRule, 8)
"""The rule until November 2026, which let eight entries of a rung go on whatever they reached."""
