"""The options of a search, each declared once for the command line and for Python.

A new option is one more field of `Budgets`, `Options` or `NewSearch`, or of a wish. From these
fields are made the parameters of the commands that `Shown` names, `automl.search(**options)` and
all checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt

from automl.cluster.placement import Request
from automl.engine.declared_options import Declared, Shown, checked, options_of
from automl.engine.wishes import DATA, MODEL, Choice, OwnData
from automl.errors import UserError, unknown
from automl.study.budget import DEFAULT_TRIALS, Budget

Count = Annotated[int, Ge(1)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]

GENERAL, BUDGETS = "Options", "Budgets"
MACHINE, SEARCH, STORAGE = "Machine", "Search", "Storage"
PANELS = (GENERAL, DATA, MODEL, BUDGETS, MACHINE, SEARCH, STORAGE)
START = ("search", "submit")
"""The commands that start a search."""
RUN = (*START, "resume")
"""The commands that start a search or go on with one."""
KEPT = ("resume", "sync")
"""The commands whose options stay as they were when they are not given."""
AUTO = "auto"
"""In place of a number: the search finds it."""


@dataclass(frozen=True)
class Budgets:
    """Limits of a run: the first that is reached ends the search, or the trial."""

    __pydantic_config__: ClassVar = {"allow_inf_nan": False}

    trials: Annotated[
        Count | None,
        Shown(BUDGETS, "Trials in all, over resumes.", f"{DEFAULT_TRIALS} without any budget", RUN),
    ] = None
    minutes: Annotated[Positive | None, Shown(BUDGETS, "Minutes of this run.", "no limit", RUN)] = (
        None
    )
    gpu_hours: Annotated[
        Positive | None,
        Shown(BUDGETS, "Hours of trials times their GPUs, over resumes.", "no limit", RUN),
    ] = None
    patience: Annotated[
        Count | None,
        Shown(
            BUDGETS,
            "End when this many trials in a row have not raised the hypervolume.",
            "no limit",
            RUN,
        ),
    ] = None
    refit_minutes: Annotated[
        NotNegative | None,
        Shown(
            BUDGETS,
            "Minutes to train the front's members again, longer, inside --minutes; 0 for none.",
            "a quarter of the minutes searched",
            RUN,
        ),
    ] = None
    until: Annotated[
        str | None,
        Shown(
            BUDGETS,
            "End at the first model that meets these conditions, e.g. "
            '"accuracy>=0.97 and size_bytes<=20000" or '
            '"accuracy within 1% of reference and latency_ms<=50% of reference"; "" for none.',
            "no goal",
            RUN,
        ),
    ] = None
    trial_minutes: Annotated[
        Positive | None,
        Shown(BUDGETS, "End a trial that works for longer; it has failed.", "no limit", RUN),
    ] = None

    def budget(self) -> Budget:
        """The budgets of the search. Raises UserError when they exclude one another."""
        return Budget(**{f.name: getattr(self, f.name) for f in fields(Budget)})


@dataclass(frozen=True)
class Options(Budgets):
    """The options of one run of a search; kept with it, they are the next run's defaults."""

    address: Annotated[
        str | None,
        Shown(
            MACHINE,
            "A Ray cluster's address.",
            "this machine alone",
            ("search", "resume", "doctor"),
        ),
    ] = None
    concurrency: Annotated[
        Count | None, Shown(MACHINE, "Trials at once.", "as many as the cluster holds", RUN)
    ] = None
    cpus_per_trial: Annotated[
        Positive,
        Shown(MACHINE, "CPUs of a trial, or of each of its workers.", commands=(*RUN, "doctor")),
    ] = 1.0
    gpus_per_trial: Annotated[
        NotNegative | Literal["auto"],
        Shown(
            MACHINE,
            "GPUs of a trial, or of each of its workers; auto has as many small trials share a "
            "GPU as its memory holds.",
            commands=(*RUN, "doctor"),
            metavar="NUMBER|auto",
            reads=str,
        ),
    ] = 0.0
    gpu_type: Annotated[
        str | None,
        Shown(
            MACHINE,
            "Ray's name of the type of GPU that trials take, e.g. A100.",
            "any",
            (*RUN, "doctor"),
        ),
    ] = None
    measure_on: Annotated[
        str | None,
        Shown(
            MACHINE,
            "Name of a Ray resource: take latency on the machines that have it.",
            "machines of the kind that most of the cluster are of",
        ),
    ] = None
    reuse: Annotated[
        bool, Shown(SEARCH, "Propose new compressions of what front members had trained.")
    ] = True
    early_stopping: Annotated[bool, Shown(SEARCH, "Pause trials that fall behind.")] = True
    tracking_uri: Annotated[
        str | None,
        Shown(STORAGE, "An MLflow server or database.", "a database in the home", (*RUN, "sync")),
    ] = None

    def request(self) -> Request:
        """The machine that one trial takes, with a whole GPU until the search finds its share.

        Raises UserError when no machine can give that.
        """
        gpus = 1.0 if self.gpus_per_trial == AUTO else float(self.gpus_per_trial)
        return Request(self.cpus_per_trial, gpus, self.concurrency, self.gpu_type or "")


@dataclass(frozen=True)
class NewSearch:
    """The options that only a new search takes; a resumed one keeps them."""

    name: Annotated[
        str | None, Shown(GENERAL, "Name of the search.", "the space's, numbered when taken")
    ] = None
    resume_if_exists: Annotated[
        bool,
        Shown(
            GENERAL,
            "Go on with the search of this name where the home has one; begin it else.",
            "off",
        ),
    ] = False
    seed: Annotated[
        int | None, Shown(SEARCH, "Seed of split, trials and sampler.", "the space's")
    ] = None
    sampler: Annotated[str, Shown(SEARCH, "tpe, nsga2, gp (small spaces) or random.")] = "tpe"
    workers_per_trial: Annotated[
        Count | None,
        Shown(
            MACHINE,
            "Ray Train workers of a trial.",
            "one process; 2 with --parallelism",
            commands=(*START, "doctor"),
        ),
    ] = None
    parallelism: Annotated[
        str | None,
        Shown(
            MACHINE,
            "Way in which the workers of a trial share its work, e.g. Sharded.",
            "DataParallel with --workers-per-trial",
        ),
    ] = None
    sets: Annotated[
        Mapping[str, str] | None,
        Shown(
            SEARCH,
            "Fix a leaf of the space; repeatable.",
            "none",
            (*START, "check"),
            flag="--set",
            metavar="PATH=VALUE",
            reads=list[str],
        ),
    ] = None
    initial_points: Annotated[
        Path | Sequence[Mapping[str, object]] | None,
        Shown(
            SEARCH,
            "JSON list of {path: value} to try first; what a point leaves out is drawn.",
            "the space's likely values",
            metavar="FILE",
            reads=Path,
        ),
    ] = None
    warm_start: Annotated[
        str | None,
        Shown(SEARCH, "A search of the home to learn from before the first trial.", "none"),
    ] = None
    store: Annotated[
        str | None,
        Shown(STORAGE, "Path or URL for all that trials make, e.g. s3://…", "a folder of the home"),
    ] = None
    study_storage: Annotated[
        str | None,
        Shown(
            STORAGE, "A database for the search's trials, e.g. postgresql://…", "a file in the home"
        ),
    ] = None


def declared(command: str) -> dict[str, Declared]:
    """The options that a command takes, by name and in the order of their panels."""
    every = options_of(OwnData, Options, NewSearch, Choice)
    options = [option for option in every if command in option.shown.commands]
    if command in KEPT:
        options = [option.kept() for option in options]
    options.sort(key=lambda option: PANELS.index(option.shown.panel))
    return {option.name: option for option in options}


def read(
    command: str, given: Mapping[str, object], before: Mapping[str, object] | None = None
) -> tuple[Options, NewSearch]:
    """The options given to a command, over those of the run before.

    Raises UserError on an unknown name, and on a value that cannot be.
    """
    known = declared(command)
    for name in given:
        if name not in known:
            raise UserError(unknown("option", name, list(known)))
    values = {**(before or {}), **{name: v for name, v in given.items() if v is not None}}
    options = checked(Options, values)
    options.budget(), options.request()
    if options.gpu_hours is not None and not options.request().gpus:
        raise UserError(
            f"--gpu-hours {options.gpu_hours:g}: trials that reserve no GPU use none up; "
            "give --gpus-per-trial too, or another budget"
        )
    return options, checked(NewSearch, values)
