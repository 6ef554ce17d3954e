"""A run of a search on a connected Ray session, from its first trial to its last."""

from __future__ import annotations

import getpass
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from automl import user_code
from automl.bounds.bound import Bounds
from automl.cluster import controller
from automl.cluster.measuring import Measurers
from automl.cluster.placement import Plan, Request
from automl.cluster.portable_space import PortableSpace
from automl.cluster.running_searches import announced
from automl.cluster.trial_inputs import TrialInputs
from automl.engine import stop_request
from automl.engine.live_search import LiveSearch, spent_seconds
from automl.engine.phases import Phases
from automl.engine.refit import Refitter
from automl.engine.room import Room
from automl.engine.search_options import Options
from automl.engine.searches import Search
from automl.engine.watch import Watch, guarded
from automl.faults import Faults
from automl.home import Home
from automl.space.space import Space
from automl.store import Store
from automl.study import run_lock
from automl.study.budget import Clock
from automl.study.dispatcher import Dispatcher, DispatcherOptions
from automl.study.stopping.rung_entry import rung_entry
from automl.study.study import Study
from automl.tracking.tracker import Process, Tracker

NOTHING_LEFT = "nothing is left"
MORE_TIME = 1.5


def run(
    search: Search, space: Space, room: Room, measurers: Measurers, clock: Clock, watch: Watch
) -> Search:
    """Run trials until the budget is spent or someone stops the search."""
    study, home, options = search.study, search.home, room.options
    store = Store(home.store)
    store.identify()
    with (
        run_lock.hold(study.folder),
        announced(study.name, user_name(), str(home.path)),
        stop_request.listening(stop_request.file_in(study.folder)) as interrupted,
    ):
        plan = room.plan()
        plan.check()
        _note_run(study, options, plan.slots, clock)
        phases = _phases(search, space, store, options, plan, clock)
        watch = guarded(watch, phases.dispatcher.options.faults)
        tracker = tracking(study, home, options)
        tracker.opened()
        live = LiveSearch(home, phases, tracker, watch, room)
        _tell_beginning(watch, live, plan, measurers.notes)
        study.forget()
        try:
            if not phases.is_over():
                inputs = _trial_inputs(study, home, store, room.request, measurers)
                is_asked, members = partial(phases.should_stop, interrupted), room.members
                events, minutes = live.events(), options.trial_minutes
                controller.run(events, phases, inputs, members, is_asked, minutes)
        finally:
            watch.closed()
            measurers.close()
        is_interrupted, gave_up = interrupted(), _gave_up(phases)
        is_finished = not (is_interrupted or gave_up)
        _write_end(live, is_finished)
        failed = study.why_empty() if is_finished else gave_up
        ended = replace(search, interrupted=is_interrupted, failed=failed)
        undelivered = tracker.close(_run_status(ended))
        live.metrics.show()
    watch.ended(ended, _last_notes(phases, is_finished, undelivered))
    return ended


def _tell_beginning(watch: Watch, live: LiveSearch, plan: Plan, notes: Sequence[str]) -> None:
    """Tell a watch what a run will use, what is to be known of its measurers, and its beginning."""
    room, phases = live.room, live.phases
    if room.options.address is not None or plan.num_gpus:
        watch.planned(plan.summary())
    if notes:
        watch.found(notes)
    watch.began(phases.dispatcher.study, plan.slots, phases.clock.budget)


def _last_notes(phases: Phases, is_finished: bool, undelivered: str) -> list[str]:
    """Sentences on a run that ended: what went wrong on the way, why it ended, what is missing."""
    faults = phases.dispatcher.study.faults()
    why = f"the search has ended: {phases.why_over() or NOTHING_LEFT}" if is_finished else ""
    notes = (*map(str, faults), why, phases.goal.missed(), undelivered)
    return [note for note in notes if note]


def _write_end(live: LiveSearch, is_finished: bool) -> None:
    """Stop what runs of a search that is finished, and have all that is known of it written."""
    dispatcher = live.dispatcher
    if is_finished:
        live.stop_unfinished()
        dispatcher.study.set_attribute("state", "finished")
    live.note_spent()
    live.trim()
    live.metrics.show()
    dispatcher.close()
    dispatcher.study.remember()


def _gave_up(phases: Phases) -> str:
    """The reason why a search was given up early; "" if it was not."""
    why = phases.why_hopeless().partition("\n")[0]
    return f"it was given up, as all of its first trials failed alike: {why}" if why else ""


def _run_status(ended: Search) -> str:
    """MLflow's word for how a run has ended."""
    return "KILLED" if ended.interrupted else "FAILED" if ended.failed else "FINISHED"


def user_name() -> str:
    """The name of who runs this process, for others to see; its number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _note_run(study: Study, options: Options, slots: int, clock: Clock) -> None:
    """Write down that a run has begun; until it says otherwise it was interrupted."""
    begun = [time.time() - clock.seconds(), sum(spent_seconds(study))]
    for name, value in (
        ("options", vars(options)),
        ("state", "interrupted"),
        ("user", user_name()),
        ("slots", slots),
        ("runs", [*study.attribute("runs", []), begun]),
    ):
        study.set_attribute(name, value)


def _phases(
    search: Search, space: Space, store: Store, options: Options, plan: Plan, clock: Clock
) -> Phases:
    """The phases of a search, its dispatcher and refitter ready to go on from its records."""
    study, faults = search.study, Faults(search.study.faults())
    bound_of, planned = Bounds(search.home.cache, faults), (plan.slots, plan.max_live())
    trials = clock.budget.max_trials()
    lengthen = _has_more_time(study, clock)
    limits = DispatcherOptions(*planned, trials, options.reuse, lengthen, faults=faults)
    if options.early_stopping:
        limits = replace(limits, rung_entry=partial(rung_entry, study.settings, bound_of))
    dispatcher = Dispatcher(
        study,
        space,
        user_code.fingerprint(study.space_text),
        partial(_is_stored, store),
        bound_of,
        limits,
    )
    keys_of = dispatcher.under_way.keys
    refitter = Refitter(study, dispatcher.writing, keys_of, search.config, store.read, faults)
    return Phases(dispatcher, refitter, clock, plan.fewest_gpus)


def _has_more_time(study: Study, clock: Clock) -> bool:
    """Tell whether trials have so much more time than in the run before that those which were
    shortened are worth to be made anew; the next run compares with this."""
    before: float | None = study.attribute("search_seconds")
    now = clock.search_seconds_left()
    study.set_attribute("search_seconds", now if now < math.inf else None)
    return before is not None and now >= MORE_TIME * before


def tracking(study: Study, home: Home, options: Options) -> Tracker:
    """A tracker that delivers what the search's folder holds for MLflow, from now on."""
    # -P: a user's folder may hold a file that is named as a library.
    command = [sys.executable, "-P", "-m", "automl.engine.mlflow_worker"]
    uri = options.tracking_uri or home.mlflow_uri
    task = {"home": str(home.path), "search": study.name, "uri": uri}
    return Tracker(study, Process(command, task))


def _is_stored(store: Store, key: str) -> bool:
    """Tell whether a prefix is made; in doubt it is made again."""
    try:
        return store.has(key, "spec.json")
    except Exception:  # Of any kind, as filesystems are.
        return False


def _trial_inputs(
    study: Study, home: Home, store: Store, request: Request, measurers: Measurers
) -> TrialInputs:
    settings = study.settings
    return TrialInputs(
        space=PortableSpace(study.space_text, settings.fixed, settings.folder),
        cache=str(home.cache),
        store_url=store.url,
        store_identity=store.identity,
        ray_folder=str(home.ray),
        measurers=measurers,
        request=request,
    )
