"""Our own search as a user starts it, and when each of its trials ended."""

from __future__ import annotations

import time
from typing import Any

from automl.engine import api
from automl.engine.searches import Search
from automl.engine.watch import Watch
from automl.study.budget import Budget
from automl.study.record import TrialRecord
from automl.study.study import Study


def search(space: str, slots: int, home: str, **options: Any) -> tuple[Search, Timed]:
    """Search on a Ray that has so many processors. `options` are those of `api.search`."""
    # What automl imports makes Ray's settings first.
    import ray

    ray.init(num_cpus=slots, include_dashboard=False, log_to_driver=False)
    watch = Timed()
    return api.search(space, home=home, watch=watch, **options), watch


class Timed(Watch):
    """Seconds from the moment at which Ray and the measurer were ready."""

    def began(self, study: Study, slots: int, budget: Budget) -> None:
        self.since, self.reference_latency_ms = time.time(), study.settings.reference_latency_ms
        self.trials: list[dict[str, Any]] = []

    def finished(self, record: TrialRecord) -> None:
        result = record.result
        assert result is not None
        self.trials.append(
            {
                "seconds": time.time() - self.since,
                "trial_seconds": result.seconds,
                "status": str(result.status),
                "reason": result.reason,
                "figures": result.measurement.figures if result.measurement else {},
                "reused_steps": result.reused_steps,
            }
        )
