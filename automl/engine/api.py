"""A search from its space to the exported model: composes everything below."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from automl.cluster import session
from automl.cluster.measuring import Measurers
from automl.cluster.portable_space import PortableSpace
from automl.engine import begun, chosen_runtimes, fixed_values, new_search, run, space_source
from automl.engine.declared_options import checked, show_options
from automl.engine.live_search import spent_seconds
from automl.engine.presets import with_budget
from automl.engine.room import Room
from automl.engine.search_options import NewSearch, Options, declared, read
from automl.engine.searches import Search, open_study
from automl.engine.study_space import check_data, study_space
from automl.engine.watch import Watch
from automl.engine.wishes import OwnData
from automl.errors import UserError, unknown
from automl.home import Home, home_at, make_writable
from automl.space import space_file
from automl.space.exploring import validate
from automl.space.space import Space
from automl.store import Store
from automl.study import run_lock, selection, storage
from automl.study.budget import Clock
from automl.study.propose.samplers import SAMPLERS
from automl.tracking import server

GOES_ON = declared("resume")
"""The options that a search takes anew when it goes on."""


@show_options(declared("search").values())
def search(
    space: str | Path | Space,
    *,
    home: str | Path | None = None,
    watch: Watch | None = None,
    **options: object,
) -> Search:
    """Search until a budget is spent.

    `space` is a space file, the name of a shipped space or a `Space`; or it is a file or folder of
    data, for which a space is written (`target`, `task`, `preset`). `automl search --help`
    describes the options; `sets` maps paths of the space to values, and `initial_points` may be a
    list of {path: value}. Raises UserError, before anything runs, on what cannot work.
    """
    chosen, new = _read("search", options)
    wishes, place, watch = checked(OwnData, options), _home(home), watch or _watch()
    if new.sampler not in SAMPLERS:
        raise UserError(unknown("sampler", new.sampler, list(SAMPLERS)))
    _check_servers(chosen)
    database = _database(new.study_storage)
    source = space_source.source(space, wishes, place, chosen.until)
    if source.is_own_data:
        chosen = with_budget(chosen, wishes.preset)
    fixed = fixed_values.fixed(source, new)
    loaded = space_file.load(source.text, fixed, source.where)
    if new.resume_if_exists:
        new = replace(new, name=new.name or source.name)
    asked = new_search.Asked(source, fixed, chosen, new, place, database)
    if new.resume_if_exists and (study := begun.earlier(asked, loaded)):
        return _ended(Search(study, place), options, watch)
    planned = new_search.plan(asked, loaded, watch)
    watch.connecting()
    with session.connected(chosen.address, chosen.request().is_one_core):
        clock = Clock(chosen.budget())
        portable = PortableSpace(source.text, fixed, os.getcwd())
        room = Room(chosen, planned.space, portable, place.cache, planned.store)
        room.wait(watch)
        room.prepare()
        study, measurers = new_search.create(planned)
        return run.run(Search(study, place), planned.space, room, measurers, clock, watch)


@show_options(declared("resume").values())
def resume(
    name: str, *, home: str | Path | None = None, watch: Watch | None = None, **options: object
) -> Search:
    """Go on with a search; options not given are as they were."""
    place = _home(home)
    study = open_study(place, name)
    with run_lock.hold(study.folder):
        pass
    chosen, _ = _read("resume", options, study.attribute("options", {}))
    begun.check_goal(study, chosen.budget().until)
    if not options.get("refit_minutes"):
        begun.check_budget_left(study, chosen.budget())
    return _go_on(Search(study, place), chosen, watch)


def open_search(name: str, *, home: str | Path | None = None) -> Search:
    """A search that was made before, to look at and take models from; nothing runs.

    Raises UserError when the home has none of that name.
    """
    place = _home(home)
    return Search(open_study(place, name), place)


def _ended(search: Search, given: Mapping[str, object], watch: Watch) -> Search:
    """The search at its end: gone on with, under the options given, where it has not ended yet;
    the watch is told why it has no model."""
    again = {option: value for option, value in given.items() if option in GOES_ON}
    chosen, _ = _read("resume", again, search.study.attribute("options", {}))
    if begun.is_over(search.study, chosen):
        failed = search.study.why_empty()
        if failed:
            watch.found([selection.nothing_to_take(search.study)])
        return replace(search, failed=failed)
    begun.check_reference(search.study, chosen.until)
    with run_lock.hold(search.study.folder):
        pass
    return _go_on(search, chosen, watch)


def _go_on(search: Search, chosen: Options, watch: Watch | None) -> Search:
    """Run a search that was made before and that no other run holds, under these options."""
    study, place = search.study, search.home
    space = study_space(study)
    validate(space)
    check_data(study)
    on_runtimes = replace(space, runtimes=study.settings.runtimes)
    timed_at = chosen_runtimes.where(on_runtimes, chosen, study.settings.measured_on)
    make_writable(place)
    models = Store(place.store)
    models.identify()
    _check_servers(chosen)
    watch = watch or _watch()
    watch.connecting()
    with session.connected(chosen.address, chosen.request().is_one_core):
        settings = study.settings
        portable = PortableSpace(study.space_text, settings.fixed, settings.folder)
        room = Room(chosen, space, portable, place.cache, models)
        room.wait(watch)
        clock = Clock(chosen.budget(), *spent_seconds(study))
        room.prepare()
        measurers = Measurers.of(models, study.timed_beside, timed_at)
        return run.run(search, space, room, measurers, clock, watch)


def sync(name: str, *, home: str | Path | None = None, tracking_uri: str | None = None) -> str:
    """Deliver to MLflow what a search has not; returns what is in the way, or "".

    `tracking_uri` is a server that has nothing of it yet; else it is the search's own.
    """
    place = _home(home)
    study = open_study(place, name)
    with run_lock.hold(study.folder):
        before = study.attribute("options", {})
        options, _ = _read("sync", {"tracking_uri": tracking_uri}, before)
        if tracking_uri is not None:
            server.check_uri(str(options.tracking_uri))
        tracker = run.tracking(study, place, options)
        return tracker.close("FINISHED" if study.is_over else "KILLED", seconds=None)


def _read(
    command: str, given: Mapping[str, object], before: Mapping[str, object] | None = None
) -> tuple[Options, NewSearch]:
    """The options of a command as `read` gives them, the tracking server's address absolute: the
    next run, or an export, may begin in another folder."""
    options, new = read(command, given, before)
    if options.tracking_uri is not None:
        options = replace(options, tracking_uri=server.absolute(options.tracking_uri))
    return options, new


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


def _watch() -> Watch:
    """The watch of a search that has none: in a notebook the cell shows the search."""
    if "ipykernel" not in sys.modules:
        return Watch()
    from automl.engine.notebook_watch import NotebookWatch, in_notebook

    return NotebookWatch() if in_notebook() else Watch()


def _home(home: str | Path | None) -> Home:
    return home_at(None if home is None else Path(home))
