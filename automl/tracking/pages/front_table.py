"""The front as a table for other programs: CSV, a row for each model."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import chain

from automl.pareto import DIRECTIONS, figures_in
from automl.study.record import TrialRecord


def table(front: Sequence[TrialRecord]) -> str:
    """The front as CSV: one row per model, figures first, then parameters; empty where a model
    lacks one."""
    known = dict(chain.from_iterable(record.values.items() for record in front))
    figures = figures_in(known) if front else list(DIRECTIONS)
    params = sorted({name for record in front for name in record.params})
    rows = [
        [
            r.trial_id,
            *(r.values.get(n, "") for n in figures),
            *(r.params.get(n, "") for n in params),
        ]
        for r in front
    ]
    text = io.StringIO()
    csv.writer(text).writerows([["trial_id", *figures, *params], *rows])
    return text.getvalue()
