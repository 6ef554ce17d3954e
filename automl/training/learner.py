"""Learning from all batches of an epoch, a part at a time, on one rank or several."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from automl.recipe import Context
from automl.training import parallel
from automl.training.averaging import Averaging
from automl.training.batches import Batches, Plan
from automl.training.parallel import Spread
from automl.training.rows_at_once import RowsAtOnce


@dataclass(frozen=True)
class Learner:
    """A module that learns, spread over the ranks, and the rows that it learns from.

    `begin_epoch` is told the share of the training that is done before each epoch.
    """

    spread: Spread
    at_once: RowsAtOnce
    batches: Batches
    plan: Plan
    averaging: Averaging
    begin_epoch: Callable[[float], None]
    context: Context

    def learn(self, epoch: int, rate_at: Callable[[float], float]) -> float | None:
        """Learn from an epoch's rows; returns their mean loss, None where the time was up before
        the end.

        `rate_at` gives the learning rate when a share of the training is done.
        """
        spread, batches = self.spread, self.batches
        total, seen, shares = torch.zeros((), device=batches.device), 0, self.plan.share[1]
        for progress, num_rows, rows in spread.planned(self.plan, epoch, batches):
            # Ranks must not ask one another at every batch: those ask before each epoch.
            if parallel.world_size() == 1 and not goes_on(self.context, progress):
                return None
            most = math.ceil(num_rows / shares)
            largest = math.ceil(most / batches.num_parts(most))
            for part in batches.take(rows, most, progress):
                total += self.at_once.learn(spread, part, num_rows / shares, largest)
            spread.step(rate_at(progress))
            seen += len(rows)
        total_loss, num_rows = spread.over_ranks(total, seen)
        return total_loss / num_rows


def goes_on(context: Context, done: float) -> bool:
    """Tell whether a training goes on, on every rank alike, of which this share is done."""
    return context.goes_on is None or parallel.agree(context.goes_on(done))
