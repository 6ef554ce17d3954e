"""A new search: planned before anything runs, and made once its reference model is measured."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from automl import conditions
from automl.cluster.measuring import Measurers, Where
from automl.conditions import Condition
from automl.engine import chosen_runtimes, space_source
from automl.engine.search_options import NewSearch, Options
from automl.engine.searches import open_study
from automl.engine.space_source import SpaceSource
from automl.engine.watch import Watch
from automl.errors import UserError
from automl.home import Home, check_name, make_writable
from automl.measure.measurement import Measurement
from automl.pareto import DIRECTIONS
from automl.runtimes.onnx import named
from automl.space import initial_points as given_points
from automl.space import own_metrics, space_file
from automl.space.domains import Params
from automl.space.exploring import Explored, validate
from automl.space.runtime import ONNX, further_figures, own_formats
from automl.space.space import Space
from automl.store import Store
from automl.study import study as studies
from automl.study.goal import needs_training
from automl.study.propose import warm_start as warm
from automl.study.record import Settings
from automl.study.study import Study
from automl.trial.reference_model import Largest, check_figures, largest

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """The space and the options of a new search; `fixed` are the leaves that the options fix, and
    `database` is where the list of trials goes, unless into a file."""

    source: SpaceSource
    fixed: dict[str, str]
    chosen: Options
    new: NewSearch
    home: Home
    database: str | None


@dataclass(frozen=True)
class Planned:
    """A new search against which nothing speaks, and whose reference model is being written.

    `goal` is what ends it early, `initial_points` come first, and of an earlier search it keeps
    the `earlier` trials.
    """

    asked: Asked
    space: Space
    explored: Explored
    goal: Sequence[Condition]
    timed_at: Where
    initial_points: tuple[Params, ...]
    store: Store
    earlier: Sequence[dict[str, object]]
    reference: Largest
    onnx_file: Future[bytes]
    own_files: Mapping[str, bytes]

    @property
    def files(self) -> dict[str, bytes]:
        """The reference model's files by format, waited for."""
        return {ONNX: self.onnx_file.result(), **self.own_files}


def plan(asked: Asked, loaded: Space, watch: Watch) -> Planned:
    """Hold a space as it was loaded against all that was asked for, and begin to write its
    reference model. Raises UserError on what cannot work."""
    chosen, new, home = asked.chosen, asked.new, asked.home
    space = chosen_runtimes.with_runtimes(loaded, new.runtimes)
    known_figures = [*DIRECTIONS, *further_figures(space.runtimes)]
    explored, goal = validate(space), conditions.parse_any(chosen.until, known_figures)
    timed_at = chosen_runtimes.where(space, chosen)
    first = initial_points(new.initial_points, space)
    store = _store(home, new.store)
    reference = largest(space, explored, home.cache)
    watch.found(space_source.told_of_data(asked.source, explored, home.cache))
    space = replace(space, objectives=reference.objectives(space.objectives))
    earlier = _earlier(new.warm_start, home, space)
    check_figures([condition.figure for condition in goal], reference.data.info)
    _new_folder(home, new.name, asked.source.name)
    onnx_file = _in_background(reference.export)
    return Planned(
        asked=asked,
        space=space,
        explored=explored,
        goal=goal,
        timed_at=timed_at,
        initial_points=first,
        store=store,
        earlier=earlier,
        reference=reference,
        onnx_file=onnx_file,
        own_files=reference.in_formats(own_formats(space.runtimes), onnx_file.result),
    )


def create(planned: Planned) -> tuple[Study, Measurers]:
    """Measure the reference model on the connected cluster, and make the search."""
    asked, files, reference = planned.asked, planned.files, planned.reference
    measurers, measured = Measurers.calibrate(
        planned.store,
        files,
        reference.rows,
        reference.comes_trained,
        named(planned.space.runtimes),
        planned.timed_at,
    )
    settings = _settings(planned, measured, measurers.kind)
    kept = (settings, asked.source.text, files, planned.earlier, asked.database)
    name, stem = asked.new.name, asked.source.name
    study = _created(asked.home, name, stem, lambda folder: studies.create(folder, *kept))
    return study, measurers


def _settings(planned: Planned, measured: Measurement, machine: str) -> Settings:
    """All that is settled of a search, given its reference's figures and the kind of machine that
    took them."""
    asked, space, reference = planned.asked, planned.space, planned.reference
    known = reference.known(measured)
    is_trained = needs_training([*planned.goal, *space.conditions], known)
    point = reference.point if is_trained else {}
    return Settings(
        space_name=asked.source.name,
        folder=os.getcwd(),
        objectives=space.objectives,
        constraints=space.constraints,
        fixed=asked.fixed,
        seed=planned.explored.configs[0].seed,
        sampler=asked.new.sampler,
        axes=reference.axes(space.objectives, measured.figures),
        reference_latency_ms=measured.latency_ms,
        initial_points=tried_first(point, planned.initial_points),
        datasets=warm.datasets(planned.explored),
        warm_start=asked.new.warm_start or "",
        reference=known,
        reference_params=point,
        runtimes=space.runtimes,
        measured_on=machine,
    )


def initial_points(
    given: Path | Sequence[Mapping[str, object]] | None, space: Space
) -> tuple[Params, ...]:
    """The points of `--initial-points`. Raises UserError on what is none of the space."""
    if given is None:
        return ()
    if isinstance(given, Path):
        return tuple(given_points.read(given, space))
    return tuple(given_points.check(given, space))


def tried_first(reference: Params, points: tuple[Params, ...]) -> tuple[Params, ...]:
    """The points that a search tries first: its reference where that is trained, then the given
    ones."""
    return (reference, *(points or ({},))) if reference else points


def _earlier(warm_start: str | None, home: Home, space: Space) -> list[dict[str, object]]:
    """The trials that a new search keeps of the search that it starts from.

    Raises UserError when they cannot be trials of it, or were measured by other metrics.
    """
    if warm_start is None:
        return []
    own = own_metrics.definitions(space.objectives)
    with space_file.apart():
        study = open_study(home, warm_start)
        before = own_metrics.definitions(space.objectives)
    found = warm.earlier(study, space)
    if changed := [name for name, definition in own.items() if before[name] != definition]:
        raise UserError(
            f"search {warm_start!r} went by another {changed[0]} than this space defines; "
            "start without --warm-start, or give the metric another name"
        )
    return warm.keep(found)


def _store(home: Home, url: str | None) -> Store:
    """The store of a new search, the home's own unless its URL is given; the home notes which."""
    make_writable(home)
    models = Store(home.store if url is None else home.may_use_store(url))
    models.identify()
    home.use_store(models.url)
    return models


def _new_folder(home: Home, name: str | None, stem: str) -> Path:
    """The folder of a new search: of the name given, else the first free `stem`, `stem-2`, …"""
    if name is not None:
        folder = home.study(check_name(name))
        if os.path.lexists(folder):
            raise studies.taken(folder)
        return folder
    names = itertools.chain([stem], (f"{stem}-{i}" for i in itertools.count(2)))
    # A folder without a search, which a broken copy or removal left, takes a name, too.
    return next(f for f in map(home.study, map(check_name, names)) if not os.path.lexists(f))


def _created(home: Home, name: str | None, stem: str, create: Callable[[Path], Study]) -> Study:
    """A new search; when its name was free to choose and is taken by now, under the next name."""
    folder = _new_folder(home, name, stem)
    while True:
        try:
            return create(folder)
        except UserError:
            refused, folder = folder, _new_folder(home, name, stem)
            if folder == refused:
                raise


def _in_background(work: Callable[[], T]) -> Future[T]:
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future
