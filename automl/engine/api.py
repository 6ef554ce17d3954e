"""A search from its space to the exported model: composes everything below."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from automl.cluster import nodes, session
from automl.cluster.measuring import Bench
from automl.config import choices, import_choices
from automl.engine import run
from automl.engine.live_search import spent_seconds
from automl.engine.run import Options
from automl.engine.searches import Search, open_study, study_space
from automl.engine.watch import Watch
from automl.errors import UserError, unknown
from automl.home import Home, check_name, home_at, make_writable
from automl.measure.measurement import Reference
from automl.space import initial_points as given_points
from automl.space import space_file
from automl.space.exploring import explore, validate
from automl.space.space import Space
from automl.store import Store
from automl.study import run_lock, storage
from automl.study import study as studies
from automl.study.budget import Budget, Clock
from automl.study.propose import warm_start as warm
from automl.study.propose.samplers import SAMPLERS
from automl.study.record import Params, Settings
from automl.study.study import Study
from automl.tracking import server
from automl.training.parallel import Parallelism
from automl.trial.reference_model import largest

T = TypeVar("T")


def search(
    space: str | Path,
    *,
    name: str | None = None,
    home: str | Path | None = None,
    seed: int | None = None,
    sampler: str = "tpe",
    workers_per_trial: int | None = None,
    parallelism: str | None = None,
    sets: Mapping[str, str] | None = None,
    initial_points: str | Path | Sequence[Mapping[str, Any]] | None = None,
    warm_start: str | None = None,
    store: str | None = None,
    study_storage: str | None = None,
    watch: Watch | None = None,
    **options: Any,
) -> Search:
    """Search a space (a file, or a shipped one's name) until a budget is spent.

    `options` are the fields of `Options`; `sets` maps paths of the space to values;
    `initial_points`, a JSON file or a list of {path: value}, are tried first, what they leave out
    drawn;
    `warm_start` names a search of the home from which the sampler learns before; `store` is a
    path or URL for all that trials make, `study_storage` a database for the study.
    Raises UserError, before anything runs, on what cannot work.
    """
    chosen = _options(options)
    budget, place = chosen.budget(), _home(home)
    if sampler not in SAMPLERS:
        raise UserError(unknown("sampler", sampler, list(SAMPLERS)))
    _check_servers(chosen)
    database = _database(study_storage)
    path = space_file.find(str(space))
    text, fixed = space_file.read(path), dict(sets or {})
    if seed is not None:
        fixed["seed"] = str(seed)
    fixed |= _parallelism(space_file.load(text, fixed, str(path)), workers_per_trial, parallelism)
    loaded = space_file.load(text, fixed, str(path))
    explored = validate(loaded)
    wanted = _initial_points(initial_points, loaded)
    known = _known(warm_start, place, loaded)
    make_writable(place)
    models = Store(place.store if store is None else place.may_use_store(store))
    models.identify()
    place.use_store(models.url)
    reference = largest(loaded, explored, place.cache)
    _new_folder(place, name, path.stem)
    exporting = _in_background(reference.export)
    watch = watch or Watch()
    watch.connecting()
    with session.connected(chosen.address):
        clock = Clock(budget)
        run.wait_for_room(chosen, loaded, watch)
        nodes.prepare(text, fixed, os.getcwd(), place.cache, models)
        file = exporting.result()
        bench, measured = Bench.calibrated(file, reference.rows, chosen.measure_on)
        settings = Settings(
            space_name=path.stem,
            folder=os.getcwd(),
            objectives=loaded.objectives,
            constraints=loaded.constraints,
            fixed=fixed,
            seed=explored.configs[0].seed,
            sampler=sampler,
            axes=reference.axes(loaded.objectives, measured.figures),
            reference_latency_ms=measured.latency_ms,
            initial_points=wanted,
            datasets=warm.datasets(explored),
            warm_start=warm_start or "",
        )
        kept = (settings, text, file, known, database)
        study = _created(place, name, path.stem, lambda folder: studies.create(folder, *kept))
        return run.run(Search(study, place), loaded, chosen, bench, clock, watch)


def resume(
    name: str, *, home: str | Path | None = None, watch: Watch | None = None, **options: Any
) -> Search:
    """Go on with a search; options not given are as they were."""
    place = _home(home)
    study = open_study(place, name)
    with run_lock.hold(study.folder):
        pass
    before = study.attribute("options", {})
    given = {key: value for key, value in options.items() if value is not None}
    chosen = _options({**before, **given})
    space = study_space(study)
    validate(space)
    make_writable(place)
    models = Store(place.store)
    models.identify()
    if not given.get("refit_minutes"):
        _check_budget_left(study, chosen.budget())
    _check_servers(chosen)
    watch = watch or Watch()
    watch.connecting()
    with session.connected(chosen.address):
        run.wait_for_room(chosen, space, watch)
        clock, settings = Clock(chosen.budget(), *spent_seconds(study)), study.settings
        nodes.prepare(study.space_text, settings.fixed, settings.folder, place.cache, models)
        reference = Reference(study.reference, settings.reference_latency_ms)
        bench = Bench.of(reference, chosen.measure_on)
        return run.run(Search(study, place), space, chosen, bench, clock, watch)


def sync(name: str, *, home: str | Path | None = None, tracking_uri: str | None = None) -> str:
    """Deliver to MLflow what a search has not; returns what is in the way, or "".

    `tracking_uri` is a server that has nothing of it yet; else it is the search's own.
    """
    place = _home(home)
    study = open_study(place, name)
    with run_lock.hold(study.folder):
        options = _options(study.attribute("options", {}))
        if tracking_uri is not None:
            server.check_uri(tracking_uri)
            options = replace(options, tracking_uri=tracking_uri)
        tracker = run.tracking(study, place, options)
        is_finished = study.attribute("state") == "finished"
        return tracker.close("FINISHED" if is_finished else "KILLED", seconds=None)


def _options(given: Mapping[str, Any]) -> Options:
    known = [f.name for f in fields(Options)]
    for key in given:
        if key not in known:
            raise UserError(unknown("option", key, known))
    options = Options(**given)
    options.budget(), options.request()
    if options.trial_minutes is not None and options.trial_minutes <= 0:
        raise UserError(f"--trial-minutes {options.trial_minutes:g}: it must be above zero")
    if options.gpu_hours is not None and not options.gpus_per_trial:
        raise UserError(
            f"--gpu-hours {options.gpu_hours:g}: trials that reserve no GPU use none up; "
            "give --gpus-per-trial too, or another budget"
        )
    return options


def _check_servers(options: Options) -> None:
    """Raise UserError at once when a server that the user named does not answer."""
    if options.tracking_uri is not None:
        server.check_uri(options.tracking_uri)
    if options.address is not None:
        session.probe(options.address)


def _database(url: str | None) -> str | None:
    """The database of a search, reached and absolute. Raises UserError when it cannot be used."""
    if url is not None:
        url = storage.absolute(url)
        storage.database(url)
    return url


def _home(home: str | Path | None) -> Home:
    return home_at(None if home is None else Path(home))


def _new_folder(home: Home, name: str | None, stem: str) -> Path:
    """The folder of a new search: of the name given, else the first free `stem`, `stem-2`, …"""
    known = home.studies()
    if name is not None:
        if check_name(name) in known:
            raise studies.taken(name)
        return home.study(name)
    names = itertools.chain([stem], (f"{stem}-{i}" for i in itertools.count(2)))
    return home.study(check_name(next(n for n in names if n not in known)))


def _created(home: Home, name: str | None, stem: str, create: Callable[[Path], Study]) -> Study:
    """A new search; when its name was free to choose and is taken by now, under the next name."""
    while True:
        try:
            return create(_new_folder(home, name, stem))
        except UserError:
            if name is not None:
                raise


def _initial_points(
    initial_points: str | Path | Sequence[Mapping[str, object]] | None, space: Space
) -> tuple[Params, ...]:
    if initial_points is None:
        return ()
    if isinstance(initial_points, str | Path):
        return tuple(given_points.read(Path(initial_points), space))
    return tuple(given_points.check(initial_points, space))


def _known(warm_start: str | None, home: Home, space: Space) -> list[dict[str, object]]:
    """The trials that a new search keeps of the search that it starts from."""
    if warm_start is None:
        return []
    return warm.keep(warm.earlier(open_study(home, warm_start), space))


def _parallelism(space: Space, workers: int | None, parallelism: str | None) -> dict[str, str]:
    """The settings of `--workers-per-trial` and `--parallelism` on every step that trains."""
    if workers is None and parallelism is None:
        return {}
    if workers is not None and workers < 1:
        raise UserError(f"--workers-per-trial {workers}: it must be at least 1")
    import_choices()
    known = [name for name in choices(Parallelism) if name != "SingleDevice"]
    if parallelism is not None and parallelism not in known:
        raise UserError(unknown("parallelism", parallelism, known))
    value = {"type": parallelism or "DataParallel", "num_workers": workers or 2}
    labels = {
        step.label
        for config in explore(space).configs
        for step in config.recipe
        if any(f.name == "parallelism" for f in fields(step))
    }
    return {f"recipe.{label}.parallelism": json.dumps(value) for label in sorted(labels)}


def _check_budget_left(study: Study, budget: Budget) -> None:
    volumes = study.hypervolumes()
    left_running = any(refit.result is None for refit in study.refits())
    if left_running or len(volumes) < len(study.records()):
        return
    if why := budget.spent(volumes, gpu_seconds=study.attribute("gpu_seconds", 0.0)):
        more = f" --trials {2 * len(volumes)}" if len(volumes) >= budget.max_trials() else ""
        raise UserError(
            f"search {study.name!r} has ended: {why}; to go on give a larger budget: "
            f"automl resume {study.name}{more}"
        )


def _in_background(work: Callable[[], T]) -> Future[T]:
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future
