"""What a search of 10,000 trials costs those who look at it, and MLflow: commands, pages, delivery.

python tests/benchmarks/large_study.py [--small] [--home FOLDER]

The search is that of `scale.py`, whose trials are made up, with all its events in the journal.
`status_s`, `front_s` and `list_s` are by the clock, the median of five commands, the first of which
reads the whole study (`first_status_s`); Python may keep bytecode, as it does of an installed
package. `front_visible_s` and `report_whole_s` are a browser's, from the address to the drawn
front, and to the last chart. Delivery is of all events to SQLite,
without pages and registered models; `delivery_ms_per_trial` is its processor time,
`delivery_last_over_first_batch` whether that grows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import scale
from selenium.webdriver.remote.webdriver import WebDriver

sys.path.append(str(Path(__file__).parent.parent))

import report_file
from helpers import browser as browsers

from automl.engine.searches import open_study
from automl.home import Home
from automl.study.simulator import simulate
from automl.tracking.events import Finished
from automl.tracking.journal import Journal
from automl.tracking.mlflow_client import connect
from automl.tracking.mlflow_runs import Runs
from automl.tracking.pages import files
from automl.tracking.tracker import Tracker

NAME, WORKERS = "scale", 100
TRIALS, SMALL_TRIALS = 10_000, 300
COMMANDS = ("status", "front", "list")
TIMES = 5
PACKAGES = ("mlflow", "optuna", "plotly")
COMMAND = [sys.executable, "-c", "from automl.cli.app import main; main()"]
VISIBLE = "return document.querySelectorAll('.js-plotly-plot .scatterlayer .trace').length > 0"
WHOLE = "return [...document.querySelectorAll('.plotly-graph-div')].every(d => d._fullLayout)"


class Later:
    """Leaves the delivery for later."""

    def end(self, seconds: float | None) -> str:
        return ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = measured(Home(given.home or Path(scratch)), SMALL_TRIALS if given.small else TRIALS)
    results = report_file.path("large_study", given.small)
    report_file.write(results, {"summary": found}, PACKAGES)
    print(json.dumps(found))


def measured(home: Home, trials: int) -> dict[str, float]:
    """All figures of a search of so many trials, which is made where the home lacks it."""
    if NAME not in home.studies():
        home.study(NAME).parent.mkdir(parents=True)
        play(home, trials)
    first = looked(home, "status")
    looks = {
        f"{command}_s": round(statistics.median(looked(home, command) for _ in range(TIMES)), 2)
        for command in COMMANDS
    }
    return {"trials": trials, "first_status_s": first, **looks, **deliver(home), **pages(home)}


def play(home: Home, trials: int) -> None:
    """A search without training, every event of which is in its journal."""
    store = scale.Store()
    dispatcher = scale.started(home.study(NAME), WORKERS, store)
    tracker = Tracker(dispatcher.study, Later())
    tracker.opened()
    course_of = partial(scale.course, dispatcher.proposer.known.bound_of, store)
    ended = 0
    for event in simulate(dispatcher, course_of, WORKERS):
        if event.report is not None:
            tracker.reported(event.trial, event.report)
        if event.record is not None:
            tracker.finished(event.record)
            ended += 1
        if ended == trials:
            break
    tracker.close("FINISHED")
    dispatcher.close()


def looked(home: Home, command: str) -> float:
    """Seconds of a command, by the clock."""
    arguments = [command, *([] if command == "list" else [NAME]), "--home", str(home.path)]
    variables = {n: own for n, own in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    subprocess.run([*COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL, env=variables)
    return round(time.perf_counter() - began, 2)


def deliver(home: Home) -> dict[str, float]:
    """Deliver the journal to SQLite: a trial's milliseconds of a core, at first and at the end."""
    study = open_study(home, NAME)
    journal, offset, since = Journal(study.folder), 0, int(time.time() * 1000)
    runs = Runs(connect(home.mlflow_uri), study, home.mlflow_uri, home.mlflow_artifacts, since)
    took: list[float] = []
    """Milliseconds a trial of each batch."""
    began = time.perf_counter()
    while True:
        events, end = journal.read(offset)
        if end == offset:
            break
        offset, spent = end, time.process_time()
        for event in events:
            runs.take(event)
        runs.flush()
        ended = sum(isinstance(event, Finished) for event in events)
        took.append(1e3 * (time.process_time() - spent) / max(ended, 1))
        print(f"batch of {ended} trials: {took[-1]:.1f} ms each", flush=True)
    full = took[:-1] or took
    return {
        "delivery_s": round(time.perf_counter() - began, 1),
        "delivery_ms_per_trial": round(statistics.fmean(took), 2),
        "delivery_last_over_first_batch": round(full[-1] / full[0], 3),
    }


def pages(home: Home) -> dict[str, float]:
    """Seconds to write the pages, and until a browser shows the report's front, and all of it."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        files.write(open_study(home, NAME), Path(folder))
        written = time.perf_counter() - began
        report = Path(folder, "report.html")
        with browsers.opened(waits_for_load=False) as driver:
            began = time.perf_counter()
            driver.get(f"file://{report}")
            shown = [until(driver, condition, began) for condition in (VISIBLE, WHOLE)]
        return {
            "pages_written_s": round(written, 2),
            "report_mb": round(report.stat().st_size / 1e6, 2),
            "front_visible_s": shown[0],
            "report_whole_s": shown[1],
        }


def until(driver: WebDriver, condition: str, began: float) -> float:
    """Seconds since `began` until a condition of the page holds."""
    while not driver.execute_script(condition):  # type: ignore[no-untyped-call]
        time.sleep(0.02)
    return round(time.perf_counter() - began, 2)


if __name__ == "__main__":
    main()
