"""A search from its space to the exported model: composes everything below."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from automl import source
from automl.cluster import controller, session
from automl.cluster.resources import Request, plan_slots
from automl.cluster.shared import Shared, num_workers
from automl.config import UserError, choices
from automl.found import Search, open_study, stop_file, study_space
from automl.home import Home, check_name, home_at, make_writable
from automl.prefix import prefix_keys
from automl.recipe import Report
from automl.reference import largest
from automl.result import TrialResult
from automl.space import Space, explore, replay, sample, unknown, validate
from automl.store import Store
from automl.study import lock
from automl.study import study as studies
from automl.study.budget import Budget, Clock
from automl.study.proposals import Proposer
from automl.study.samplers import SAMPLERS
from automl.study.study import Settings, Study, TrialRecord
from automl.tracking import mlflow_runs, report, server
from automl.training.parallel import Parallelism

TRIM_EVERY_TRIALS = 25


class Watch:
    """Who wants to see a search at work overrides what it wants to see."""

    def began(self, study: Study, slots: int, budget: Budget) -> None: ...

    def started(self, record: TrialRecord) -> None: ...

    def reported(self, number: int, report: Report) -> None: ...

    def finished(self, record: TrialRecord) -> None: ...

    def closed(self) -> None: ...

    def ended(self, search: Search, note: str) -> None: ...


@dataclass(frozen=True)
class Options:
    """How one run of a search uses machines; kept with the study for the next one."""

    trials: int | None = None
    minutes: float | None = None
    concurrency: int | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    tracking_uri: str | None = None
    address: str | None = None

    def budget(self) -> Budget:
        return Budget(self.trials, self.minutes)

    def request(self) -> Request:
        return Request(self.cpus_per_trial, self.gpus_per_trial, self.concurrency)


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
    watch: Watch | None = None,
    **options: Any,
) -> Search:
    """Search a space (a file, or a shipped one's name) until a budget is spent.

    `options` are the fields of `Options`; `sets` maps paths of the space to values.
    Raises UserError, before anything runs, on what cannot work.
    """
    chosen = _options(options)
    budget, place = chosen.budget(), _home(home)
    if sampler not in SAMPLERS:
        raise UserError(unknown("sampler", sampler, list(SAMPLERS)))
    _check_servers(chosen)
    path = source.find(str(space))
    text, fixed = source.read(path), dict(sets or {})
    if seed is not None:
        fixed["seed"] = str(seed)
    fixed |= _parallelism(source.load(text, fixed, str(path)), workers_per_trial, parallelism)
    loaded = source.load(text, fixed, str(path))
    explored = validate(loaded)
    reference = largest(explored)
    make_writable(place)
    _new_folder(place, name, path.stem)
    exporting = _in_background(reference.export)
    with session.connected(chosen.address):
        clock = Clock(budget)
        plan_slots(chosen.request(), _num_workers(loaded), controller.cluster_resources())
        file = exporting.result()
        judge, figures = controller.start_judge(file, reference.rows)
        settings = Settings(
            space_name=path.stem,
            objectives=loaded.objectives,
            constraints=loaded.constraints,
            fixed=fixed,
            seed=explored.configs[0].seed,
            sampler=sampler,
            axes=reference.axes(loaded.objectives, figures),
            reference_latency_ms=figures["latency_ms"],
        )
        study = _create(place, name, settings, text, file)
        return _run(study, place, loaded, chosen, judge, clock, watch or Watch())


def resume(
    name: str, *, home: str | Path | None = None, watch: Watch | None = None, **options: Any
) -> Search:
    """Go on with a study; options not given are as they were."""
    place = _home(home)
    study = open_study(place, name)
    with lock.hold(study.folder):
        pass
    before = study.attribute("options", {})
    given = {key: value for key, value in options.items() if value is not None}
    chosen = _options({**before, **given})
    space = study_space(study)
    validate(space)
    make_writable(place)
    _check_budget_left(study, chosen.budget())
    _check_servers(chosen)
    with session.connected(chosen.address):
        clock = Clock(chosen.budget())
        judge = controller.resume_judge(study.reference, study.settings.reference_latency_ms)
        return _run(study, place, space, chosen, judge, clock, watch or Watch())


def _run(
    study: Study,
    home: Home,
    space: Space,
    options: Options,
    judge: Any,
    clock: Clock,
    watch: Watch,
) -> Search:
    """Run trials on the connected Ray session until the budget is spent or someone stops it."""
    store, code = Store(home.store), source.fingerprint(study.space_text)
    workers = _num_workers(space)
    resources = controller.cluster_resources()
    slots = plan_slots(options.request(), workers, resources)
    is_full = slots == plan_slots(replace(options.request(), concurrency=None), workers, resources)
    max_trials, seconds_before = clock.budget.max_trials(), study.attribute("seconds", 0.0)
    with lock.hold(study.folder), _stop_signal(stop_file(study)) as interrupted:
        study.set_attribute("options", vars(options))
        study.set_attribute("state", "interrupted")
        study.set_attribute("slots", slots)
        proposer = Proposer(study, space, code, lambda key: store.has(key, "spec.json"))
        uri, artifacts = options.tracking_uri, None
        if uri is None:
            uri, artifacts = home.mlflow_uri, home.mlflow_artifacts
        tracker = mlflow_runs.Tracker(study, uri, artifacts, report.write)
        watch.began(study, slots, clock.budget)

        def started(record: TrialRecord) -> None:
            tracker.started(record)
            watch.started(record)

        def reported(number: int, epoch: Report) -> None:
            tracker.reported(number, epoch)
            watch.reported(number, epoch)

        def finished(number: int, result: TrialResult) -> None:
            record = proposer.finish(number, result)
            tracker.finished(record)
            watch.finished(record)
            study.set_attribute("seconds", seconds_before + clock.seconds())
            if number % TRIM_EVERY_TRIALS == 0:
                store.trim(home.store_limit_bytes, lambda: _needed(home))

        run = functools.partial(
            controller.run,
            controller.Events(started, reported, finished),
            proposer,
            Shared(
                space_text=study.space_text,
                fixed=study.settings.fixed,
                store_url=home.store,
                ray_folder=str(home.ray),
                judge=judge,
                cpus=options.cpus_per_trial,
                gpus=options.gpus_per_trial,
            ),
            # One more waits for a slot: Tune ends an actor that no waiting trial wants. Where
            # it would not have to wait, it would be one too many at once.
            max_live=slots + 1 if is_full and not workers else slots,
            max_trials=max_trials,
            should_stop=lambda: interrupted() or clock.seconds_left() <= 0,
        )
        try:
            if proposer.adopted or proposer.num_started < max_trials:
                run()
        finally:
            watch.closed()
        if not interrupted():
            for number in list(proposer.running):
                finished(number, TrialResult("stopped", reason="the search's time was up"))
            study.set_attribute("state", "finished")
        store.trim(home.store_limit_bytes, lambda: _needed(home))
        note = tracker.close("KILLED" if interrupted() else "FINISHED")
        study.set_attribute("undelivered", bool(note))
        ended = Search(study, home, interrupted=interrupted())
        watch.ended(ended, note)
        return ended


def _options(given: Mapping[str, Any]) -> Options:
    known = [f.name for f in fields(Options)]
    for key in given:
        if key not in known:
            raise UserError(unknown("option", key, known))
    options = Options(**given)
    options.budget(), options.request()
    return options


def _check_servers(options: Options) -> None:
    """Raise UserError at once when a server that the user named does not answer."""
    if options.tracking_uri is not None:
        server.check_uri(options.tracking_uri)
    if options.address is not None:
        session.probe(options.address)


def _home(home: str | Path | None) -> Home:
    return home_at(None if home is None else Path(home))


def _new_folder(home: Home, name: str | None, stem: str) -> Path:
    """The folder of a new study: of the name given, else the first free `stem`, `stem-2`, …"""
    known = home.studies()
    if name is not None:
        if check_name(name) in known:
            raise studies.taken(name)
        return home.study(name)
    names = itertools.chain([stem], (f"{stem}-{i}" for i in itertools.count(2)))
    return home.study(check_name(next(n for n in names if n not in known)))


def _create(home: Home, name: str | None, settings: Settings, text: str, reference: bytes) -> Study:
    """The new study; when its name was free to choose and is taken by now, the next one."""
    while True:
        folder = _new_folder(home, name, settings.space_name)
        try:
            return studies.create(folder, settings, text, reference)
        except UserError:
            if name is not None:
                raise


def _parallelism(space: Space, workers: int | None, parallelism: str | None) -> dict[str, str]:
    """What `--workers-per-trial` and `--parallelism` set on every step that trains."""
    if workers is None and parallelism is None:
        return {}
    if workers is not None and workers < 1:
        raise UserError(f"--workers-per-trial {workers}: it must be at least 1")
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


def _num_workers(space: Space) -> int:
    return max(num_workers(config) for config in explore(space).configs)


def _check_budget_left(study: Study, budget: Budget) -> None:
    records = study.records()
    done = sum(record.result is not None for record in records)
    if study.attribute("undelivered"):
        return
    if done == len(records) and done >= budget.max_trials():
        raise UserError(
            f"study {study.name!r} has run its {done} trials; to go on give a larger total, "
            f"e.g. automl resume {study.name} --trials {2 * done}"
        )


def _needed(home: Home) -> set[str]:
    """Keys that must stay in the store: of every study's front and unfinished trials."""
    needed = set()
    for study in (open_study(home, name) for name in home.studies()):
        needed |= {record.result.key for record in study.front() if record.result}
        space, code = study_space(study), source.fingerprint(study.space_text)
        for record in study.records():
            if record.result is None:
                needed |= set(prefix_keys(sample(space, replay(record.params)), code))
    return needed


def _in_background(work: Callable[[], bytes]) -> Future[bytes]:
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future


@contextlib.contextmanager
def _stop_signal(file: Path) -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C, a termination signal or `automl stop` has asked the search to end.

    A second Ctrl-C ends it at once.
    """
    asked = threading.Event()
    file.unlink(missing_ok=True)
    numbers = (signal.SIGINT, signal.SIGTERM)
    in_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in numbers}

    def ask(number: int, frame: object) -> None:
        asked.set()
        signal.signal(number, before[signal.Signals(number)])

    if in_main:
        for number in numbers:
            signal.signal(number, ask)
    try:
        yield lambda: asked.is_set() or file.exists()
    finally:
        file.unlink(missing_ok=True)
        if in_main:
            for number in numbers:
                signal.signal(number, before[number])
