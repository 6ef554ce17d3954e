"""The command that checks a space before anything expensive runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from automl.cli import render
from automl.cli.parameters import (
    HomeOption,
    JsonOption,
    SpaceOrDataArgument,
    assignments,
    end,
    home_of,
    takes_options,
)
from automl.engine.declared_options import checked
from automl.engine.wishes import OwnData
from automl.errors import UserError
from automl.space.domains import IntDomain, OneOfDomain
from automl.space.runtime import own_formats

if TYPE_CHECKING:
    from automl.cluster.measuring import Where
    from automl.data.summary import DataSummary
    from automl.engine.space_source import SpaceSource
    from automl.home import Home
    from automl.space.exploring import Explored
    from automl.space.space import Space
    from automl.trial.layer_outcomes import Outcomes
    from automl.trial.result import TrialResult


@takes_options("check")
def check(
    space: SpaceOrDataArgument,
    run: Annotated[
        bool,
        typer.Option(
            "--run", help="Run one tiny trial, too: the longest recipe, one epoch a training."
        ),
    ] = False,
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
    **given: object,
) -> None:
    """Read a space and its data; print what may vary, the largest model, a trial's memory."""
    from automl.trial import layer_outcomes

    wishes, asked = checked(OwnData, given), {**given, "sets": assignments(given["sets"])}
    report = examine(space, asked, home_of(home), run=run, wishes=wishes)
    facts = {name: value for name, value in vars(report).items() if value is not None}
    notes, outcomes, data = facts.pop("notes"), facts.pop("outcomes"), facts.pop("data")
    if as_json:
        layers = layer_outcomes.as_json(outcomes)
        render.as_json({**facts, "data": list(map(asdict, data)), "notes": notes, "layers": layers})
        _end_rejected(report)
        return
    found = "\n".join(facts.pop("told"))
    print(found or "\n\n".join(one.text() for one in data))
    render.table([{"parameter": k, "values": v} for k, v in facts.pop("parameters").items()])
    print("\n".join(f"{name}: {value}" for name, value in facts.items()))
    print("\n".join(f"note: {note}" for note in notes), end="\n" * bool(notes))
    render.layers(outcomes)
    _end_rejected(report)


@dataclass(frozen=True)
class SpaceReport:
    """Facts of a space, each parameter in words; `told` are lines on what was found in own data.

    `data` is what was read of each dataset. `trial_memory_bytes` are what a trial of the largest
    model holds at its peak, Python and what layers give for a batch not counted. `trial` tells how
    the tiny trial ended, `outcomes` are that trial's; `notes` are its own and how modules of the
    user's were read.
    """

    space: str
    told: tuple[str, ...]
    objectives: str
    constraints: str
    runtimes: str
    configurations: str
    training_rows: int
    largest_model_parameters: int
    largest_model_bytes: int
    trial_memory_bytes: int
    parameters: dict[str, str]
    data: tuple[DataSummary, ...]
    trial: str | None = None
    notes: tuple[str, ...] = ()
    outcomes: Outcomes = field(default_factory=dict)


def examine(
    name: str,
    given: Mapping[str, object],
    home: Home,
    *,
    run: bool,
    wishes: OwnData = OwnData(),  # noqa: B008
) -> SpaceReport:
    """Load a space and its largest model; with `run` run the longest recipe, in short.

    `given` are options of the command: what is fixed, and where latency is taken. `wishes` are
    for data of the user's own in the place of a space. Raises UserError on a space that cannot be
    searched.
    """
    from automl.data.dataset import summaries
    from automl.home import make_writable
    from automl.models.family import count_parameters
    from automl.space.initial_points import describe
    from automl.trial.memory import trial_bytes
    from automl.trial.reference_model import largest

    read = _read(name, given, home, wishes)
    source, space, explored = read.source, read.space, read.explored
    make_writable(home)
    reference = largest(space, explored, home.cache)
    file = reference.export()
    reference.in_formats(own_formats(space.runtimes), lambda: file)
    result = _tiny_trial(explored, source, home) if run else None
    return SpaceReport(
        space=source.name,
        told=source.told,
        objectives=", ".join(reference.objectives(space.objectives)),
        constraints=", ".join(space.constraints) or "none",
        runtimes=_runtimes(space, read.timed_at),
        configurations=_configurations(explored),
        training_rows=len(reference.data.train.targets),
        largest_model_parameters=count_parameters(reference.network),
        largest_model_bytes=len(file),
        trial_memory_bytes=trial_bytes(reference.num_parameters, reference.data),
        parameters={path: describe(domain) for path, domain in explored.domains.items()},
        data=tuple(summaries([(c.dataset, c.seed) for c in explored.configs], home.cache)),
        trial=f"{result.status} {result.reason}".strip() if result else None,
        notes=reference.notes + (result.notes if result else ()),
        outcomes=result.outcomes if result else {},
    )


@dataclass(frozen=True)
class _ReadSpace:
    """A space as it was read, its source, all that it may hold, and where its files are timed."""

    source: SpaceSource
    space: Space
    explored: Explored
    timed_at: Where


def _read(name: str, given: Mapping[str, object], home: Home, wishes: OwnData) -> _ReadSpace:
    """Load a space with the options given. Raises UserError."""
    from automl.engine import chosen_runtimes, fixed_values, space_source
    from automl.engine.search_options import read
    from automl.space import space_file
    from automl.space.exploring import validate

    chosen, new = read("check", given)
    source = space_source.source(name, wishes, home)
    space = space_file.load(source.text, fixed_values.texts(new.sets), source.where)
    space = chosen_runtimes.with_runtimes(space, new.runtimes)
    explored = validate(space)
    return _ReadSpace(source, space, explored, chosen_runtimes.where(space, chosen))


def _runtimes(space: Space, timed_at: Where) -> str:
    """The names of the runtimes that files are timed on, and where that is not here."""
    from automl.runtimes.onnx import named

    names = ", ".join(named(space.runtimes))
    return f"{names} on {timed_at.device.kind}" if timed_at.device else names


def _end_rejected(report: SpaceReport) -> None:
    """End the command with exit code 1 where the tiny trial gave no model."""
    if report.trial not in (None, "complete"):
        end(f"the tiny trial gave no model: {report.trial}", 1)


def _tiny_trial(explored: Explored, source: SpaceSource, home: Home) -> TrialResult:
    """The end of the longest recipe of a space, in short. Raises UserError where it fails."""
    from automl import user_code
    from automl.cli import tiny_trial

    longest = max(reversed(explored.configs), key=lambda config: len(config.recipe))
    result = tiny_trial.run(longest, home.cache, user_code.fingerprint(source.text))
    if result.status == "failed":
        raise UserError(f"a tiny trial of {source.where} failed: {result.reason}")
    return result


def _configurations(explored: Explored) -> str:
    """The number of configurations: at most the product, when no parameter is continuous."""
    count = 1
    for domain in explored.domains.values():
        match domain:
            case IntDomain(low, high, step):
                count *= (high - low) // step + 1
            case OneOfDomain():
                count *= len(domain.options)
            case _:
                return "continuous"
    return f"at most {count}"
