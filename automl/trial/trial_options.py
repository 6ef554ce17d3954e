"""Options of a trial: the code that its keys stand for, its device, and whether it began before."""

from __future__ import annotations

from dataclasses import dataclass

from automl.trial.time_limit import TimeLimit


@dataclass(frozen=True)
class TrialOptions:
    """The options of a trial; without any it runs on the CPU for as long as it needs.

    `space_source` is the fingerprint of the user's code, which store keys contain. A trial that was
    run before (`is_again`) first repeats its reports of the steps that are done: whoever was to
    hear them may have died. Where its time has a `limit`, trainings that would take longer are made
    shorter.
    """

    space_source: str = ""
    device: str = "cpu"
    is_again: bool = False
    limit: TimeLimit | None = None


NO_OPTIONS = TrialOptions()
