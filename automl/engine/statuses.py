"""The states of searches: a row for each, and how far one is."""

from __future__ import annotations

from automl.engine import searches
from automl.errors import UserError
from automl.home import Home
from automl.space import space_file
from automl.study import run_lock
from automl.study.layout import EarlierVersion
from automl.study.overview import Overview

COLUMNS = (
    "search",
    "state",
    "trials",
    "unfinished",
    "shortened",
    "front",
    "hypervolume",
    "seconds",
)
"""Of a search in a list of several."""


def state(study: Overview) -> str:
    """The state of a search: running, finished, or interrupted: ended before its budget."""
    if run_lock.is_held(study.folder):
        return "running"
    return str(study.attribute("state", "interrupted"))


def statuses(home: Home) -> list[dict[str, object]]:
    """A row for each search of the home; of one by an earlier version, or whose trials cannot be
    read, only its name and the reason."""
    rows = []
    for name in home.studies():
        try:
            with space_file.apart():
                row = status(searches.overview(home, name))
            rows.append({column: row[column] for column in COLUMNS})
        except UserError as error:
            is_earlier = isinstance(error, EarlierVersion)
            why = "of an earlier version" if is_earlier else str(error)
            known = {"search": name, "state": why, "trials": {}}
            rows.append({**dict.fromkeys(COLUMNS, ""), **known})
    return rows


def status(study: Overview) -> dict[str, object]:
    """The progress of a search, in one row."""
    summary = study.summary()
    return {
        "search": study.name,
        "state": state(study),
        "trials": {name: count for name, count in summary.trials.items() if count},
        "unfinished": sum(record.result is None for record in study.records()),
        "shortened": sum(
            record.result is not None and bool(record.result.shortened)
            for record in study.records()
        ),
        "front": len(summary.front),
        "hypervolume": round(summary.hypervolume, 4),
        "seconds": round(summary.seconds, 1),
        "waiting_for_measurer_share": round(summary.waiting_for_measurer_share, 4),
    }
