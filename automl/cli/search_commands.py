"""The commands that run a search: start one here or on a cluster, and go on with one."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from automl.cli import render
from automl.cli.parameters import (
    HomeOption,
    JsonOption,
    LogJsonOption,
    Name,
    SpaceArgument,
    SpaceOrDataArgument,
    assignments,
    end,
    takes_options,
)
from automl.engine.search_options import MACHINE, STORAGE, declared, read
from automl.errors import UserError
from automl.loading import without_collections

if TYPE_CHECKING:
    from automl.cluster.jobs import Job
    from automl.engine.searches import Search
    from automl.engine.watch import Watch

HeadOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="The dashboard of the cluster's head, e.g. http://HEAD:8265.",
        rich_help_panel=MACHINE,
        show_default="must be given",
    ),
]
HomeThereOption = Annotated[
    str | None,
    typer.Option(
        "--home",
        help="Folder there that keeps all searches, on a path that all nodes share.",
        rich_help_panel=STORAGE,
        show_default="must be given",
    ),
]


@takes_options("search")
def search(
    space: SpaceOrDataArgument,
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
    log_json: LogJsonOption = False,
    **given: object,
) -> None:
    """Search for the models that trade quality, size and latency best: the front."""
    given["sets"] = assignments(given["sets"])
    begin_ray(space, given)
    with without_collections():
        from automl.engine import api

    _show(api.search(space, home=home, watch=_watch(log_json), **given), as_json)


def begin_ray(space: str, given: Mapping[str, object]) -> None:
    """Begin a Ray of this machine where a search is sure to need one: it starts while this process
    loads its libraries. Raises UserError on what cannot be an option or a space."""
    from automl.space import space_file

    options, new = read("search", given)
    if not Path(space).exists():
        space_file.find(space)
    if options.address is None and not new.resume_if_exists:
        with without_collections():
            from automl.cluster import own_ray

        own_ray.begin(options.request().is_one_core)


@takes_options("resume")
def resume(
    name: Name,
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
    log_json: LogJsonOption = False,
    **given: object,
) -> None:
    """Go on with a search that was stopped, killed, or is to run longer."""
    with without_collections():
        from automl.engine import api

    _show(api.resume(name, home=home, watch=_watch(log_json), **given), as_json)


@takes_options("submit")
def submit(
    space: SpaceArgument,
    *,
    address: HeadOption = None,
    home: HomeThereOption = None,
    as_json: JsonOption = False,
    log_json: LogJsonOption = False,
    **given: object,
) -> None:
    """Run a search on a Ray cluster from here, as a job there, and show its output."""
    from automl.cluster import jobs

    if address is None:
        raise UserError(
            "submit needs --address, the dashboard of the cluster's head: "
            "--address http://HEAD:8265"
        )
    if home is None:
        raise UserError(
            "submit needs --home, a folder for all searches on a path that all nodes share: "
            "--home /shared/automl"
        )
    read("submit", {**given, "sets": assignments(given["sets"])})
    space, files = _sent(space, given)
    command = ["search", space, "--address", "auto", "--home", home, *arguments(given)]
    command += ["--log-json"] * log_json
    job = jobs.submit(address, command, files)
    print(f"job {job.name} at {address}", file=sys.stderr)
    code = _follow(job, sys.stderr if as_json else sys.stdout)
    if as_json:
        render.as_json({"job": job.name, "address": address, "exit_code": code})
    raise typer.Exit(code)


def arguments(given: Mapping[str, object]) -> list[str]:
    """The command line that gives these options to `automl search` anew."""
    words: list[str] = []
    for name, option in declared("search").items():
        value = given.get(name, option.default)
        if value == option.default:
            continue
        flag = f"--no-{option.flag[2:]}" if value is False else option.flag
        for one in value if isinstance(value, list) else [value]:
            words += [flag] if isinstance(one, bool) else [flag, str(one)]
    return words


def _sent(space: str, given: dict[str, object]) -> tuple[str, list[Path]]:
    """The space as the job names it, and the files to send along; `given` names them so, too."""
    from automl.engine import space_source
    from automl.space import space_file

    if space_source.is_own_data(space):
        raise UserError(
            f"{space} is data, which stays on this machine; write its space with "
            f"`automl init {space}`, give it the data's path on the cluster, and submit that"
        )
    path, points = space_file.find(space), given["initial_points"]
    _check_goal(given["until"], space_file.read(path))
    files = [path] if path == Path(space) else []
    if isinstance(points, Path):
        if not points.is_file():
            raise UserError(f"--initial-points {points} is no file; check the path")
        files.append(points)
        given["initial_points"] = points.name
    return path.name if path == Path(space) else space, files


def _check_goal(until: object, space_text: str) -> None:
    """Raise UserError on a goal that cannot be read; figures that the space names may be its own.

    Metrics and runtimes of its own are known only where the space is loaded, on the cluster.
    """
    from automl import conditions
    from automl.config import snake_case
    from automl.pareto import DIRECTIONS

    goal, word = str(until or ""), r"\w+"
    own = {*map(snake_case, re.findall(word, space_text))}.intersection(re.findall(word, goal))
    further = [name for name in re.findall(conditions.FIGURE, goal) if name in DIRECTIONS]
    conditions.parse_any(goal, list(dict.fromkeys([*DIRECTIONS, *sorted(own), *further])))


def _follow(job: Job, out: TextIO) -> int:
    """Pass on what a job prints until it ends; returns its exit code. Ctrl-C leaves it running."""
    try:
        return job.follow(lambda text: print(text, end="", flush=True, file=out))
    except KeyboardInterrupt:
        end(f"{job.name} goes on; end it: ray job stop {job.name} --address {job.address}", 130)


def _watch(log_json: bool) -> Watch:
    """The watch that tells the progress on standard error."""
    from automl.cli.json_log import JsonLog
    from automl.cli.progress import Progress

    return JsonLog() if log_json else Progress()


def _show(search: Search, as_json: bool) -> None:
    """Print a search's front; exit 130 when it was interrupted, 1 when it has no model."""
    render.search(search.study, as_json=as_json)
    if search.interrupted or search.failed:
        raise typer.Exit(130 if search.interrupted else 1)
