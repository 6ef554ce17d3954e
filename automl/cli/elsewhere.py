"""The commands that reach what runs elsewhere: a search at work, and MLflow's server."""

from __future__ import annotations

from automl.cli import render
from automl.cli.parameters import HomeOption, JsonOption, Name, end, home_of, takes_options
from automl.engine.search_options import read


def stop(name: Name, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Ask a running search to end; its finished trials are kept."""
    from automl.engine import searches

    is_stopping = searches.stop(home_of(home), name)
    if as_json:
        render.as_json({"search": name, "stopping": is_stopping})
    elif is_stopping:
        print(f"{name} ends within seconds; to go on later: automl resume {name}")
    else:
        print(f"{name} is not running")


@takes_options("sync")
def sync(
    name: Name, *, home: HomeOption = None, as_json: JsonOption = False, **given: object
) -> None:
    """Send to MLflow's server what it missed of a search while it was away."""
    from automl.engine import api

    options, _ = read("sync", given)
    obstacle = api.sync(name, home=home, tracking_uri=options.tracking_uri)
    if as_json:
        render.as_json({"search": name, "delivered": not obstacle})
    elif not obstacle:
        print(f"MLflow has all of {name}")
    if obstacle:
        end(obstacle, 1)
