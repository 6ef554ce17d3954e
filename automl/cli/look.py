"""The commands that look at searches: how far they are, their fronts, and why these are so."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl.cli import render
from automl.cli.parameters import (
    HomeOption,
    JsonOption,
    Name,
    ServingJsonOption,
    home_of,
    takes_options,
)
from automl.engine.declared_options import checked
from automl.engine.search_options import MACHINE
from automl.engine.wishes import Choice
from automl.errors import UserError
from automl.loading import uncollected

if TYPE_CHECKING:
    from automl.study.study import Study


def list_searches(
    address: Annotated[
        str | None,
        typer.Option(
            help="The dashboard of a cluster, e.g. http://HEAD:8265: list what runs there, whoever "
            "began it.",
            rich_help_panel=MACHINE,
            show_default="the home's searches",
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List all searches and their states, or those that run on a cluster."""
    from automl.engine import statuses

    if address is not None:
        _list_running(address, as_json)
        return
    place = home_of(home)
    with uncollected():
        rows = statuses.statuses(place)
    if as_json:
        render.as_json({"searches": rows})
    elif not rows:
        print(f"no search in {place.path}; start one: automl search digits")
    else:
        render.table(rows)


def _list_running(address: str, as_json: bool) -> None:
    """Print the searches that run on a cluster, of all users."""
    from automl.cluster.running_searches import running

    rows: list[dict[str, object]] = [
        vars(one) | {"since": time.strftime("%Y-%m-%d %H:%M", time.localtime(one.since))}
        for one in running(address)
    ]
    if as_json:
        render.as_json({"searches": rows})
    elif rows:
        render.table(rows)
    else:
        print(f"no search runs on the cluster at {address}")


def status(name: Name, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Tell how far a search is: its trials, its front, its time.

    One row: its state; trials by how they ended, those unfinished and those shortened for want
    of time; models on the front; hypervolume, which grows as the front gets better, at most to 1;
    seconds searched; the share of that time in which trials waited to have latency taken.
    """
    from automl.engine import searches, statuses

    with uncollected():
        row = statuses.status(searches.overview(home_of(home), name))
    if as_json:
        render.as_json(row)
    else:
        render.table([row])


def front(
    name: Name,
    csv: Annotated[bool, typer.Option("--csv", help="Print the front as CSV.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(help="Write a report to this file, as one page.", show_default="no page"),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="Print the front on this runtime, e.g. openvino: its latency stands in the place "
            "of that on the others.",
            show_default="the front of all objectives",
        ),
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Measure the models on the test rows, too.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the front: the models that no other one equals or beats in every figure."""
    from automl.engine import searches
    from automl.tracking.pages.front_table import table

    place = home_of(home)
    found, tested = searches.overview(place, name).on_runtime(runtime), []
    if test:
        study = searches.open_study(place, name).on_runtime(runtime)
        search = searches.Search(study, place)
        tested = [search.test_figures(record) for record in search.members()]
    if html is not None:
        _write_page(searches.open_study(place, name), html)
    with uncollected():
        if csv and not as_json:
            print(table(found.front().members), end="")
        else:
            render.search(found, as_json=as_json, tested=tested)


def _write_page(study: Study, file: Path) -> None:
    from automl.tracking.pages import files

    try:
        files.write_page(study, file)
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror}") from None


@takes_options("explain")
def explain(
    name: Name,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write the explanation to this file, as one page.", show_default="no page"
        ),
    ] = None,
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
    **given: object,
) -> None:
    """Explain a front: which choices mattered, and what each step bought one of its models."""
    from automl.engine import searches

    place = home_of(home)
    search = searches.Search(searches.open_study(place, name), place)
    choice = vars(checked(Choice, given))
    explained = search.explain(
        **choice, html=html, say=lambda sentence: print(sentence, file=sys.stderr)
    )
    if as_json:
        render.as_json(explained.as_json())
    else:
        render.explanation(explained)


def ui(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A search to open.", show_default="all searches"),
    ] = None,
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 5000,
    home: HomeOption = None,
    as_json: ServingJsonOption = False,
) -> None:
    """Show all searches in MLflow's pages, on this machine only.

    A search that reports to another database than the home's is shown by its name.
    """
    from automl.engine import searches
    from automl.tracking import server
    from automl.tracking.mlflow_client import SearchRun

    place = home_of(home)
    server.check_port(port)
    address = f"http://{server.HOST}:{port}"
    say = partial(print, file=sys.stderr)
    studies = [searches.open_study(place, name)] if name else searches.open_studies(place, say)
    runs = {study.name: SearchRun.of(study) for study in studies}
    uri = server.database(place, runs[name] if name else None)
    served = {known: run for known, run in runs.items() if server.database(place, run) == uri}
    pages = {
        known: server.address(address, run) if known in served else f"automl ui {known}"
        for known, run in runs.items()
    }
    tables = {known: server.trials_address(address, run) for known, run in served.items() if run}
    if as_json:
        shown = {"address": server.address(address, None), "searches": pages, "trials": tables}
        render.as_json(shown)
    else:
        for known, page in pages.items():
            print(f"{known}: {page}")
            if known in tables:
                print(f"{known}, its trials: {tables[known]}")
        print(f"all: {server.address(address, None)}\nCtrl-C ends it.")
    sys.stdout.flush()
    raise typer.Exit(server.serve(place, uri, port))
