"""Figures of a live search at Ray's Prometheus endpoint, for dashboards and alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from ray.util.metrics import Gauge


@dataclass(frozen=True)
class LiveFigures:
    """The figures of a live search.

    `trials` counts trials by status, and those "running" and "paused". `last_report_time` is in
    seconds since 1970.
    """

    trials: Mapping[str, int]
    slots: int
    front_models: int
    hypervolume: float
    store_bytes: int
    undelivered_events: int
    last_report_time: float
    waiting_for_measurer_seconds: float


DESCRIPTIONS = {
    "trials": "Trials by state.",
    "slots": "Trials that the search runs at once.",
    "front_models": "Models on the front.",
    "hypervolume": "Hypervolume of the front, between 0 and 1.",
    "store_bytes": "Bytes in the store, when it was last looked at.",
    "undelivered_events": "Events that MLflow does not have yet.",
    "last_report_time": "Seconds since 1970 when a trial last reported or ended.",
    "waiting_for_measurer_seconds": "Seconds that trials have waited for a measurer, all together.",
}


class LiveMetrics:
    """The gauges of one search, tagged with its name and with who runs it.

    Ray adds its own prefix: `slots` is `ray_automl_slots` at the endpoint of the driver's node.
    """

    def __init__(self, search: str, user: str) -> None:
        self.tags = {"search": search, "user": user}
        self.gauges = {
            name: Gauge(
                f"automl_{name}", description, (*self.tags, *("state",) * (name == "trials"))
            )
            for name, description in DESCRIPTIONS.items()
        }

    def show(self, figures: LiveFigures) -> None:
        """Have the endpoint show these figures from now on."""
        for state, count in figures.trials.items():
            self.gauges["trials"].set(count, self.tags | {"state": state})
        for field in fields(figures):
            if field.name != "trials":
                self.gauges[field.name].set(getattr(figures, field.name), self.tags)
