"""What every trial of a search gets."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from automl import user_code
from automl.cluster.measuring import Bench
from automl.recipe import Report, Sibling, Step
from automl.space import space_file
from automl.space.sampling import rebuild
from automl.space.space import Space, TrialConfig
from automl.store import Store
from automl.trial import trial
from automl.trial.result import TrialResult
from automl.trial.trial import Measure


@dataclass(frozen=True)
class Shared:
    """What every trial of a search gets: all plain values, and who measures.

    `folder` is where the search was started, `cache` where datasets are kept.
    """

    space_text: str
    fixed: dict[str, str]
    folder: str
    cache: str
    store_url: str
    store_identity: str
    ray_folder: str
    bench: Bench
    cpus: float
    gpus: float

    def space(self) -> Space:
        return space_file.load(self.space_text, self.fixed, folder=self.folder)


@dataclass(frozen=True)
class Task:
    """One trial as it goes to where it runs; `is_again` when it was handed out before."""

    params: dict[str, Any]
    is_again: bool

    def run(self, shared: Shared, measure: Measure) -> Generator[Report, None, TrialResult]:
        """Run it in this process."""
        config, code = (
            rebuild(shared.space(), self.params),
            user_code.fingerprint(shared.space_text),
        )
        device = "cuda" if shared.gpus and torch.cuda.is_available() else "cpu"
        store = Store(shared.store_url, shared.store_identity)
        cache = Path(shared.cache)
        return trial.run(config, store, measure, cache, code, device, self.is_again)


def num_workers(config: TrialConfig) -> int:
    """The Train workers that a trial takes; 0 when it runs in the actor itself."""
    return max(map(_workers, config.recipe), default=0)


def _workers(step: Step) -> int:
    """Those of a step and of the siblings that teach it."""
    siblings = step.teacher.recipe if isinstance(step.teacher, Sibling) else ()
    return max(step.num_workers, *map(_workers, siblings), 0)
