"""The options of a search, each declared once for the command line and for Python.

A new option is one more field of `Options` or `NewSearch`, of `Budgets`, or of a wish. From these
fields are made the parameters of the commands that `Shown` names, `automl.search(**options)` and
all checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from automl.cluster.placement import Request
from automl.engine.budget_options import BUDGETS, RUN, START, Budgets, Count, NotNegative, Positive
from automl.engine.declared_options import Declared, Shown, checked, options_of
from automl.engine.wishes import DATA, MODEL, Choice, OwnData, TakenAs
from automl.errors import UserError, unknown
from automl.space.runtime import Runtime

GENERAL = "Options"
MACHINE, SEARCH, STORAGE = "Machine", "Search", "Storage"
PANELS = (GENERAL, DATA, MODEL, BUDGETS, MACHINE, SEARCH, STORAGE)
KEPT = ("resume", "sync")
"""The commands whose options stay as they were when they are not given."""
AUTO = "auto"
"""In place of a number: the search finds it."""


@dataclass(frozen=True)
class Options(Budgets):
    """The options of one run of a search; kept with it, they are the next run's defaults."""

    address: Annotated[
        str | None,
        Shown(
            MACHINE,
            "A running Ray cluster: the address of its head, the node that began it by `ray start "
            "--head`, and the port, e.g. 10.0.0.5:6379.",
            "this machine alone",
            ("search", "resume", "doctor"),
        ),
    ] = None
    concurrency: Annotated[
        Count | None, Shown(MACHINE, "Trials at work at once.", "as many as there is room for", RUN)
    ] = None
    cpus_per_trial: Annotated[
        Positive,
        Shown(MACHINE, "CPUs of a trial, or of each of its workers.", commands=(*RUN, "doctor")),
    ] = 1.0
    gpus_per_trial: Annotated[
        NotNegative | Literal["auto"],
        Shown(
            MACHINE,
            "GPUs of a trial, or of each of its workers, e.g. 0.5 for two trials on each; auto has "
            "as many small trials share a GPU as its memory holds.",
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
            "Take latency only on the nodes that carry this label, a resource in Ray's words: e.g. "
            "pi for nodes begun by `ray start --resources '{\"pi\": 1}'`.",
            "the kind of machine that most nodes are of",
        ),
    ] = None
    measure_over: Annotated[
        str | None,
        Shown(
            MACHINE,
            "Take latency on another machine, over SSH: a device such as the one that the model "
            "is for. It needs numpy and onnxruntime.",
            "the machines of the search",
            (*RUN, "check"),
            metavar="ssh:USER@HOST",
        ),
    ] = None
    measure_python: Annotated[
        str | None,
        Shown(
            MACHINE,
            "Take latency with another Python and its onnxruntime, here or over SSH.",
            "this one; over SSH python3",
            (*RUN, "check"),
            metavar="PATH",
        ),
    ] = None
    reuse: Annotated[
        bool,
        Shown(
            SEARCH,
            "Try new compressions of models that are trained already, too, which is cheap; switch "
            "it off to have more models trained instead.",
        ),
    ] = True
    early_stopping: Annotated[
        bool,
        Shown(
            SEARCH,
            "Pause trials that fall behind others, in trainings of 20 epochs and more; switch it "
            "off where good models are late to show it, and there is time for all.",
        ),
    ] = True
    tracking_uri: Annotated[
        str | None,
        Shown(STORAGE, "MLflow server or database.", "a database in the home", (*RUN, "sync")),
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
            "Go on with the search of this name if there is one, else begin it.",
            "off",
        ),
    ] = False
    seed: Annotated[
        int | None,
        Shown(SEARCH, "Seed of all that is drawn, the split of rows too.", "the space's"),
    ] = None
    sampler: Annotated[
        str,
        Shown(
            SEARCH,
            "Way to propose trials. tpe is right for nearly all: it ranks candidates by what they "
            "should gain. nsga2, gp (for spaces of few parameters) and random propose without "
            "that ranking, to compare with.",
        ),
    ] = "tpe"
    workers_per_trial: Annotated[
        Count | None,
        Shown(
            MACHINE,
            "Processes that train one trial together, where one GPU is too slow or too small.",
            "one process; 2 with --parallelism",
            commands=(*START, "doctor"),
        ),
    ] = None
    parallelism: Annotated[
        str | None,
        Shown(
            MACHINE,
            "What these processes divide. DataParallel: each batch, right for models that fit one "
            "device. Sharded: the weights, too. TensorParallel: each layer's units. Pipeline: the "
            "layers. ParameterServer: each batch, and one process moves the weights. "
            "SingleDevice: nothing.",
            "DataParallel with --workers-per-trial",
        ),
    ] = None
    sets: Annotated[
        Mapping[str, object] | None,
        Shown(
            SEARCH,
            "Fix a value, e.g. model=MLP; `automl check` lists the paths; repeatable.",
            "none",
            (*START, "check"),
            flag="--set",
            metavar="PATH=VALUE",
            reads=list[str],
        ),
    ] = None
    runtimes: Annotated[
        Sequence[Runtime | str] | None,
        Shown(
            SEARCH,
            "Take latency on this runtime, e.g. openvino, executorch, "
            "onnxruntime:threads=4,batch=8; the first one gives latency_ms; repeatable.",
            "the space's, or onnxruntime on one thread",
            (*START, "check"),
            flag="--runtime",
            metavar="RUNTIME",
            reads=list[str],
        ),
    ] = None
    initial_points: Annotated[
        Path | Sequence[Mapping[str, object]] | None,
        Shown(
            SEARCH,
            "JSON list of {path: value}, trials to try first; what one leaves out is drawn.",
            "the space's likely values",
            metavar="FILE",
            reads=Path,
        ),
    ] = None
    warm_start: Annotated[
        str | None,
        Shown(SEARCH, "Name of an earlier search to learn from before the first trial.", "none"),
    ] = None
    store: Annotated[
        str | None,
        Shown(
            STORAGE,
            "Folder or URL of what trials make (checkpoints, models), e.g. s3://…",
            "a folder of the home",
        ),
    ] = None
    study_storage: Annotated[
        str | None,
        Shown(
            STORAGE, "A database for the list of trials, e.g. postgresql://…", "a file in the home"
        ),
    ] = None


def declared(command: str) -> dict[str, Declared]:
    """The options that a command takes, by name and in the order of their panels."""
    every = options_of(OwnData, Options, NewSearch, Choice, TakenAs)
    options = [option for option in every if command in option.shown.commands]
    if command in KEPT:
        options = [option.kept() for option in options]
    options = [option.in_command(command) for option in options]
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
