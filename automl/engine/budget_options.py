"""The budgets of a search, declared as options are, and the commands that run one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt

from automl.engine.declared_options import Shown
from automl.study.budget import DEFAULT_TRIALS, Budget

Count = Annotated[int, Ge(1)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]

BUDGETS = "Budgets"
START = ("search", "submit")
"""The commands that start a search."""
RUN = (*START, "resume")
"""The commands that start a search or go on with one."""


@dataclass(frozen=True)
class Budgets:
    """Limits of a run: the first that is reached ends the search, or the trial."""

    __pydantic_config__: ClassVar = {"allow_inf_nan": False}

    trials: Annotated[
        Count | None,
        Shown(
            BUDGETS,
            "End after this many trials; those before a resume count, too.",
            f"{DEFAULT_TRIALS} without any budget",
            RUN,
        ),
    ] = None
    minutes: Annotated[
        Positive | None,
        Shown(
            BUDGETS,
            "End after this many minutes; a resume counts anew.",
            "no limit; for data of your own the preset's",
            RUN,
        ),
    ] = None
    gpu_hours: Annotated[
        Positive | None,
        Shown(
            BUDGETS,
            "End after this many GPU-hours, the hours of each trial times the GPUs that it "
            "reserves; those before a resume count, too.",
            "no limit",
            RUN,
        ),
    ] = None
    patience: Annotated[
        Count | None,
        Shown(
            BUDGETS,
            "End when the last so many trials together raised the hypervolume by at most 0.1 %.",
            "no limit",
            RUN,
        ),
    ] = None
    refit_minutes: Annotated[
        NotNegative | None,
        Shown(
            BUDGETS,
            "Minutes at the end, part of --minutes, to train the front's models again, longer, so "
            "that they get better; 0 leaves that out, when the search alone is of interest.",
            "a quarter of the minutes searched",
            RUN,
        ),
    ] = None
    until: Annotated[
        str | None,
        Shown(
            BUDGETS,
            "End at the first model that meets these conditions, e.g. "
            '"accuracy>=0.97 and size_bytes<=20000" or "accuracy within 1% of reference", the '
            'space\'s largest uncompressed model; "" for none.',
            "no goal",
            RUN,
        ),
    ] = None
    trial_minutes: Annotated[
        Positive | None,
        Shown(BUDGETS, "End a trial that works for longer; it counts as failed.", "no limit", RUN),
    ] = None

    def budget(self) -> Budget:
        """The budgets of the search. Raises UserError when they exclude one another."""
        return Budget(**{f.name: getattr(self, f.name) for f in fields(Budget)})
