"""The figures of a search's reference, to which conditions may be relative, as known by now."""

from __future__ import annotations

import math

from automl.pareto import is_of_file
from automl.study.record import Settings, TrialRecord


class ReferenceFigures:
    """Bytes and times of the space's largest fp32 model, and the best quality of any fp32 model.

    Bytes and times are measured when a search begins. Quality is the best that an uncompressed
    model of the search has: what a training reached before the first compression, or what a
    module that came trained had. It is known from the first training on, and may rise; a figure
    that is no finite number counts for nothing.
    """

    def __init__(self, settings: Settings) -> None:
        self.figures = {"latency_ms": settings.reference_latency_ms, **settings.reference}
        self.params, self.directions = settings.reference_params, settings.directions
        self.is_trained = not self.params

    def learn(self, record: TrialRecord) -> bool:
        """Take in a trial that ended; True when a figure has changed."""
        reached = record.result.parent_quality if record.result else {}
        if not reached:
            return False
        rising = {name: value for name, value in reached.items() if self._is_better(name, value)}
        self.figures |= rising
        was_trained = self.is_trained
        self.is_trained = was_trained or self._is_of_reference(record)
        return bool(rising) or self.is_trained != was_trained

    def _is_better(self, name: str, value: float) -> bool:
        if is_of_file(name) or name not in self.directions or not math.isfinite(value):
            return False
        if name not in self.figures:
            return True
        sign = self.directions.sign(name)
        return sign * value > sign * self.figures[name]

    def _is_of_reference(self, record: TrialRecord) -> bool:
        return self.params.items() <= record.params.items()
