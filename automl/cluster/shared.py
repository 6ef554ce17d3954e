"""What every trial of a search gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automl import source
from automl.recipe import Sibling, Step
from automl.space import Space, TrialConfig


@dataclass(frozen=True)
class Shared:
    """What every trial of a search gets: all plain values, and the judge's handle.

    `folder` is where the search was started, `cache` where datasets are kept.
    """

    space_text: str
    fixed: dict[str, str]
    folder: str
    cache: str
    store_url: str
    ray_folder: str
    judge: Any
    cpus: float
    gpus: float

    def space(self) -> Space:
        return source.load(self.space_text, self.fixed, folder=self.folder)


def num_workers(config: TrialConfig) -> int:
    """The Train workers that a trial takes; 0 when it runs in the actor itself."""
    return max(map(_workers, config.recipe), default=0)


def _workers(step: Step) -> int:
    """Those of a step and of the siblings that teach it."""
    siblings = step.teacher.recipe if isinstance(step.teacher, Sibling) else ()
    return max(step.num_workers, *map(_workers, siblings), 0)
