"""One run of a search on a connected Ray session, from its first trial to its last."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from automl import user_code
from automl.bounds.bound import Bounds
from automl.cluster import controller, nodes
from automl.cluster.controller import Events
from automl.cluster.measuring import MeasurerHandle
from automl.cluster.placement import Plan, Request
from automl.cluster.portable_space import PortableSpace
from automl.cluster.trial_inputs import TrialInputs, num_workers
from automl.engine.options import Options
from automl.engine.searches import Search, stop_file
from automl.engine.store_eviction import trim
from automl.errors import UserError
from automl.home import Home
from automl.recipe import Report
from automl.space.exploring import explore
from automl.space.space import Space
from automl.store import Store
from automl.study import run_lock
from automl.study.budget import Budget, Clock, GpuMeter
from automl.study.dispatcher import TIME_UP, Proposer, no_rung
from automl.study.record import REFIT, TrialRecord
from automl.study.refit import Lineup, Refitter
from automl.study.stopping.rung_entry import judged
from automl.study.study import Study
from automl.tracking.tracker import Process, Tracker
from automl.trial.result import TrialResult

TRIM_EVERY_TRIALS = 25
LOOK_SECONDS = 5.0
WAIT_SECONDS = 300.0
"""A cloud's new node takes some minutes."""


class Watch:
    """Who wants to see a search at work overrides what it wants to see."""

    def connecting(self) -> None: ...

    def waiting(self, why: str) -> None: ...

    def began(self, study: Study, slots: int, budget: Budget) -> None: ...

    def started(self, record: TrialRecord) -> None: ...

    def reported(self, number: int, report: Report) -> None: ...

    def paused(self, number: int) -> None: ...

    def lost(self, number: int, fault: str) -> None: ...

    def resized(self, slots: int) -> None: ...

    def finished(self, record: TrialRecord) -> None: ...

    def closed(self) -> None: ...

    def ended(self, search: Search, notes: list[str]) -> None: ...


def run(
    study: Study,
    home: Home,
    space: Space,
    options: Options,
    measurer: MeasurerHandle,
    clock: Clock,
    watch: Watch,
) -> Search:
    """Run trials until the budget is spent or someone stops it."""
    workers = most_workers(space)
    slots, max_live = plan(options, workers)
    store = Store(home.store)
    store.identify()
    with run_lock.hold(study.folder), _stop_signal(stop_file(study)) as interrupted:
        _note_run(study, options, slots, clock)
        proposer = _proposer(study, home, space, store, options, clock, slots, max_live)
        tracker = tracking(study, home, options)
        tracker.opened()
        config_of = Search(study, home).config
        refitter = Refitter(study, proposer.writing, proposer.keys, config_of, store.read)
        gpus = options.gpus_per_trial * max(1, workers)
        resized = partial(_resized, options, workers)
        course = _Course(study, home, proposer, refitter, tracker, clock, watch, gpus, resized)
        lineup = Lineup(
            proposer,
            refitter,
            course.searches,
            lambda: course.front.members,
            clock.seconds_left,
            clock.refits(),
        )
        watch.began(study, slots, clock.budget)
        try:
            if not lineup.is_over():
                controller.run(
                    course.events(),
                    lineup,
                    _trial_inputs(study, home, store, options, measurer),
                    lambda: interrupted() or (not course.searches() and clock.is_up()),
                    options.trial_minutes,
                )
        finally:
            watch.closed()
        if not interrupted():
            course.end()
        proposer.close()
        if not interrupted():
            study.set_attribute("state", "finished")
        trim(home)
        undelivered = tracker.close("KILLED" if interrupted() else "FINISHED")
        ended = Search(study, home, interrupted=interrupted())
    why = "" if interrupted() else f"the search has ended: {course.spent() or 'nothing is left'}"
    watch.ended(ended, [note for note in (why, undelivered) if note])
    return ended


def _note_run(study: Study, options: Options, slots: int, clock: Clock) -> None:
    """Write down that a run has begun; until it says otherwise it was interrupted."""
    begun = [time.time() - clock.seconds(), sum(spent_seconds(study))]
    for name, value in (
        ("options", vars(options)),
        ("state", "interrupted"),
        ("slots", slots),
        ("runs", [*study.attribute("runs", []), begun]),
    ):
        study.set_attribute(name, value)


def _proposer(
    study: Study,
    home: Home,
    space: Space,
    store: Store,
    options: Options,
    clock: Clock,
    slots: int,
    max_live: int,
) -> Proposer:
    bound_of = Bounds(home.cache)
    return Proposer(
        study,
        space,
        user_code.fingerprint(study.space_text),
        partial(_is_stored, store),
        bound_of,
        judge=partial(judged, study.settings, bound_of) if options.early_stopping else no_rung,
        reuse=options.reuse,
        slots=slots,
        max_live=max_live,
        max_trials=clock.budget.max_trials(),
    )


def plan(options: Options, workers: int) -> tuple[int, int]:
    """The trials that work at once, and those that may be started, see `Plan`.

    Raises UserError when not one trial fits.
    """
    planned = Plan(options.request(), workers, nodes.resources())
    planned.check()
    return planned.slots, planned.max_live


def wait_for_room(options: Options, space: Space, watch: Watch) -> None:
    """Return when the cluster holds one trial. A cluster at an address may be one that grows when
    it is asked to. Raises UserError when it does not."""
    workers, request = most_workers(space), options.request()
    until, has_asked = time.monotonic() + (WAIT_SECONDS if options.address else 0), False
    while not (planned := Plan(request, workers, nodes.resources())).capacity:
        why = planned.shortage()
        if time.monotonic() >= until:
            raise UserError(why)
        if not has_asked:
            has_asked = True
            watch.waiting(f"waiting {WAIT_SECONDS / 60:g} minutes for the cluster to grow: {why}")
            one = {"CPU": request.cpus, **({"GPU": request.gpus} if request.gpus else {})}
            nodes.ask_for([one] * max(1, workers))
        time.sleep(1)
    if has_asked:
        nodes.ask_for([])


def most_workers(space: Space) -> int:
    """The most workers that a trial of the space takes; 0 when it is one process."""
    return max(num_workers(config) for config in explore(space).configs)


def _resized(options: Options, workers: int) -> tuple[int, int] | None:
    """The plan for the nodes that there are now; none while not one trial fits."""
    with contextlib.suppress(UserError):
        return plan(options, workers)
    return None


class _Course:
    """What happens is written to the study first, then told to MLflow and to who watches."""

    def __init__(
        self,
        study: Study,
        home: Home,
        proposer: Proposer,
        refitter: Refitter,
        tracker: Tracker,
        clock: Clock,
        watch: Watch,
        gpus: float,
        resized: Callable[[], tuple[int, int] | None],
    ) -> None:
        self.study, self.home, self.proposer, self.gpus = study, home, proposer, gpus
        self.resized, self.next_look = resized, time.monotonic() + LOOK_SECONDS
        self.refitter, self.tracker, self.clock, self.watch = refitter, tracker, clock, watch
        self.seconds_before = sum(spent_seconds(study))
        self.meter = GpuMeter(study.attribute("gpu_seconds", 0.0))
        self.front, self.hypervolumes = study.front(), study.hypervolumes()
        self.front_of_trials = study.front(study.records())

    def events(self) -> Events:
        return Events(
            on_start=self._started,
            on_report=self._reported,
            on_end=self._finished,
            on_process_lost=self.watch.lost,
            on_loop=self._look_around,
        )

    def searches(self) -> bool:
        """Whether the search goes on; if not, what is left of the time is for refits."""
        if self.clock.search_seconds is None and (self.spent() or self.proposer.is_over()):
            self.clock.end_search()
            self.proposer.wind_up()
        return self.clock.search_seconds is None

    def spent(self) -> str:
        """Which budget is spent, if any."""
        return self.clock.budget.spent(
            self.hypervolumes, self.clock.seconds_for_all(), self.meter.seconds()
        )

    def end(self) -> None:
        """What the end of the search finds unfinished is stopped."""
        self.proposer.wind_up()
        for number in [*self.proposer.unfinished(), *self.refitter.live]:
            self._finished(number, TrialResult("stopped", reason=self.proposer.why_not(number)))

    def _look_around(self) -> None:
        """Now and then: use the nodes that have joined, do without those that have left."""
        if time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + LOOK_SECONDS
        planned = self.resized()
        if planned is not None and planned != (self.proposer.slots, self.proposer.max_live):
            self.proposer.resize(*planned)
            self.proposer.writing(self.study.set_attribute, "slots", planned[0])
            self.watch.resized(planned[0])

    def _started(self, record: TrialRecord) -> None:
        self.tracker.started(record)
        self.watch.started(record)

    def _reported(self, number: int, report: Report, seconds: float) -> bool:
        self.meter.start(number, self.gpus, seconds)
        self.tracker.reported(number, report)
        self.watch.reported(number, report)
        if number >= REFIT:
            return True
        if not self.searches():
            # Its place is for a refit.
            result = TrialResult("stopped", reason=TIME_UP, seconds=seconds)
            self._finished(number, result)
            return False
        goes_on = self.proposer.goes_on(number, report, seconds)
        if not goes_on:
            self.meter.end(number)
            self.watch.paused(number)
        return goes_on

    def _finished(self, number: int, result: TrialResult) -> None:
        makers = self.refitter if number >= REFIT else self.proposer
        record = makers.finish(number, result)
        self.meter.start(number, self.gpus, result.seconds)
        self.meter.end(number)
        self.front.add(record)
        if number < REFIT:
            self.front_of_trials.add(record)
            self.hypervolumes.append(self.front_of_trials.hypervolume)
        write, study = self.proposer.writing, self.study
        write(study.set_attribute, "seconds", self.seconds_before + self.clock.seconds())
        write(study.set_attribute, "refit_seconds", self.clock.refit_seconds())
        if self.gpus:
            write(study.set_attribute, "gpu_seconds", self.meter.seconds())
        self.tracker.finished(record)
        self.watch.finished(record)
        if number % TRIM_EVERY_TRIALS == 0:
            write(trim, self.home)


def tracking(study: Study, home: Home, options: Options) -> Tracker:
    """Delivers what the study's folder holds for MLflow, from now on."""
    # -P: a user's folder may hold a file that is named as a library.
    command = [sys.executable, "-P", "-m", "automl.engine.mlflow_worker"]
    uri = options.tracking_uri or home.mlflow_uri
    told = {"home": str(home.path), "study": study.name, "uri": uri}
    return Tracker(study, Process(command, told))


def spent_seconds(study: Study) -> tuple[float, float]:
    """What earlier runs of a study have searched, and what they had for refits."""
    finished = study.attribute("refit_seconds", 0.0)
    return study.attribute("seconds", 0.0) - finished, finished


def _is_stored(store: Store, key: str) -> bool:
    """Whether a prefix is made; in doubt it is made again."""
    try:
        return store.has(key, "spec.json")
    except OSError:
        return False


def _trial_inputs(
    study: Study, home: Home, store: Store, options: Options, measurer: MeasurerHandle
) -> TrialInputs:
    settings = study.settings
    return TrialInputs(
        space=PortableSpace(study.space_text, settings.fixed, settings.folder),
        cache=str(home.cache),
        store_url=store.url,
        store_identity=store.identity,
        ray_folder=str(home.ray),
        measurer=measurer,
        cpus=options.cpus_per_trial,
        gpus=options.gpus_per_trial,
    )


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
