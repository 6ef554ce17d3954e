"""What tracking costs a search: 200 trials of 20 epochs of 0.1 s, two at a time, each told.

python tests/benchmarks/tracking.py [--small]

The trials do nothing; their epochs are due in real time, and a search's loop tells each to one of
two: this package's tracker, with the pages of the front and the models registered at the end, or
Ray's MLflow callback, with the figures that Tune adds to each report. Each writes to SQLite, and to
a server on loopback. `…_share` is the driver's time spent in tracking over wall-clock; ours has a
process of its own deliver, at the lowest priority: `…_process_share` is what that takes of a core.
`…_requests` are those to the server, artifacts included; of ours the rows say how many registered
the models.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent.parent))

import report_file
from helpers import acted_search as acted
from helpers.mlflow_server import Server

from automl.engine import mlflow_worker
from automl.measure.measurement import Measurement
from automl.recipe import Report
from automl.study.study import Study
from automl.study.trial_id import TrialId
from automl.tracking import registry
from automl.tracking.delivery import Delivery
from automl.tracking.mlflow_client import connect
from automl.tracking.pages import files
from automl.tracking.tracker import Process, Tracker
from automl.trial.result import Status, TrialResult

TRIALS, SMALL_TRIALS = 200, 20
EPOCHS, EPOCH_SECONDS, SLOTS = 20, 0.1, 2
SIDES, STORES = ("ours", "ray"), ("sqlite", "server")
PACKAGES = ("mlflow", "ray", "optuna")
SPENT: Counter[str] = Counter()
"""Seconds of the loop and of the process that delivers, and requests."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--cell", nargs=3, metavar=("SIDE", "STORE", "RESULT"))
    parser.add_argument("--deliver", metavar="RESULT")
    given = parser.parse_args()
    if given.deliver:
        deliver(Path(given.deliver))
        return
    num_trials = SMALL_TRIALS if given.small else TRIALS
    if given.cell:
        side, store, result = given.cell
        Path(result).write_text(json.dumps(cell(side, store, num_trials)))
        return
    rows = [in_process(side, store, given.small) for store in STORES for side in SIDES]
    results = report_file.path("tracking", given.small)
    report_file.write(results, {"summary": summary(rows), "rows": rows}, PACKAGES)
    print(json.dumps(summary(rows)))


def in_process(side: str, store: str, is_small: bool) -> dict[str, Any]:
    """One side on one store, in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        result = Path(scratch, "result.json")
        command = [sys.executable, __file__, "--cell", side, store, str(result)]
        subprocess.run(command + ["--small"] * is_small, check=True)
        row: dict[str, Any] = json.loads(result.read_text())
    print(row, flush=True)
    return row


def cell(side: str, store: str, num_trials: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        folder, server = Path(scratch), None
        uri = f"sqlite:///{folder}/mlflow.db"
        connect(uri).search_experiments(max_results=1)
        if store == "server":
            server = Server(folder)
            server.start()
            uri = server.uri
        count_requests()
        try:
            tell, close = TELLERS[side](uri, folder)
            started = time.perf_counter()
            loop(num_trials, tell)
            search_seconds = time.perf_counter() - started
            close()
            seconds = time.perf_counter() - started
        finally:
            if server is not None:
                server.kill()
    return {
        "side": side,
        "store": store,
        "reports": num_trials * EPOCHS,
        "search_seconds": round(search_seconds, 2),
        "seconds": round(seconds, 2),
        "loop_seconds": round(SPENT["loop"], 3),
        "process_seconds": round(SPENT["process"], 3),
        "models_seconds": round(SPENT["models"], 3),
        "models": SPENT["num_models"],
        "requests": SPENT["requests"],
        "models_requests": SPENT["models_requests"],
    }


def loop(num_trials: int, tell: Callable[[str, int, int], None]) -> None:
    """A search's loop: what is due is told, and what that takes delays what comes after."""
    start = time.perf_counter()
    due = [(start + slot * EPOCH_SECONDS / SLOTS, slot, 0) for slot in range(SLOTS)]
    started = SLOTS
    while due:
        at, number, epoch = heapq.heappop(due)
        time.sleep(max(0.0, at - time.perf_counter()))
        began = time.perf_counter()
        tell("start" if epoch == 0 else "report", number, epoch)
        if epoch == EPOCHS:
            tell("finish", number, epoch)
        now = time.perf_counter()
        if epoch < EPOCHS:
            # A trial's next epoch takes as long as ever, from when this one was heard.
            heapq.heappush(due, (max(at, began) + EPOCH_SECONDS, number, epoch + 1))
        elif started < num_trials:
            heapq.heappush(due, (now, started, 0))
            started += 1


def ours(uri: str, folder: Path) -> tuple[Callable[[str, int, int], None], Callable[[], None]]:
    study, result = acted.study(folder / "study"), folder / "delivered.json"
    command = [sys.executable, __file__, "--deliver", str(result)]
    told = Tracker(study, Process(command, {"folder": str(study.folder), "uri": uri}))
    told.opened()
    records: dict[int, Any] = {}

    def tell(kind: str, number: int, epoch: int) -> None:
        if kind == "start":
            record = records[number] = replace(acted.RECORD, id=TrialId(number))
            study.start(record)
            with waiting():
                told.started(record)
        elif kind == "report":
            with waiting():
                told.reported(
                    TrialId(number), Report("train", epoch, EPOCHS, metrics(number, epoch))
                )
        else:
            record = replace(records[number], result=ended(number))
            record = record.on_course(departure=number + 1)
            study.end(record)
            with waiting():
                told.finished(record)

    def close() -> None:
        left = told.close("FINISHED", None)
        assert not left, left
        SPENT.update(json.loads(result.read_text()))

    return tell, close


def deliver(result: Path) -> None:
    """The process that a search has for it, with models made up."""
    os.nice(mlflow_worker.NICENESS)
    count_requests()
    registering = registry.register

    def register(runs: Any, study: Study, *arguments: Any) -> None:
        seconds, requests = time.perf_counter(), SPENT["requests"]
        registering(runs, study, *arguments)
        SPENT["models"] = time.perf_counter() - seconds
        SPENT["models_requests"] = SPENT["requests"] - requests
        SPENT["num_models"] = len(study.front().members)

    registry.register = register

    def of_study(told: Mapping[str, str]) -> Delivery:
        study, uri = Study(Path(told["folder"])), told["uri"]
        artifacts = None if uri.startswith("http") else study.folder.parent / "artifacts"
        return Delivery(study, uri, artifacts, files.write, lambda r: acted.shipped(r.id.number))

    mlflow_worker.main(of_study)
    SPENT["process"] = time.process_time()
    result.write_text(json.dumps(SPENT))


@contextmanager
def waiting() -> Iterator[None]:
    """The loop waits for a tracker."""
    began = time.perf_counter()
    yield
    SPENT["loop"] += time.perf_counter() - began


def ray(uri: str, folder: Path) -> tuple[Callable[[str, int, int], None], Callable[[], None]]:
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    callback = MLflowLoggerCallback(uri, experiment_name="tracking")
    callback.setup()
    trials: dict[int, Trial] = {}

    def tell(kind: str, number: int, epoch: int) -> None:
        trial = trials.setdefault(number, Trial(number))
        with waiting():
            if kind == "start":
                callback.log_trial_start(trial)
            elif kind == "report":
                said = {**metrics(number, epoch), **added(epoch)}
                callback.log_trial_result(epoch, trial, said)
            else:
                measured = ended(number).measurement
                assert measured is not None
                callback.log_trial_result(epoch, trial, {**measured.figures, **added(epoch)})
                callback.log_trial_end(trial)

    return tell, lambda: None


class Trial:
    """What the callback asks of one of Tune's."""

    def __init__(self, number: int) -> None:
        self.number, self.config = number, acted.RECORD.params

    def __str__(self) -> str:
        return f"{self.number:04d}"


TELLERS = {"ours": ours, "ray": ray}


def metrics(number: int, epoch: int) -> dict[str, float]:
    return {"loss": 1 / epoch, "accuracy": epoch / (EPOCHS + number), "learning_rate": 0.1}


def added(epoch: int) -> dict[str, float]:
    """Numbers that Tune adds to each report."""
    names = ("time_this_iter_s", "time_total_s", "time_since_restore", "timestamp", "pid")
    return {
        "training_iteration": epoch,
        "iterations_since_restore": epoch,
        **dict.fromkeys(names, 1),
    }


def ended(number: int) -> TrialResult:
    draw = random.Random(number)
    quality = {"accuracy": draw.random(), "macro_f1": draw.random()}
    measured = Measurement(quality, len(acted.shipped(number).file), draw.random(), 1.0)
    return TrialResult(
        Status.COMPLETE, key=f"key{number}", measurement=measured, stages={"train": 1.0}
    )


def count_requests() -> None:
    import requests

    sending = requests.Session.send

    def send(self: Any, *arguments: Any, **options: Any) -> Any:
        SPENT["requests"] += 1
        return sending(self, *arguments, **options)

    requests.Session.send = send  # type: ignore[method-assign]


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {"reports": rows[0]["reports"]}
    for row in rows:
        found[f"{row['side']}_{row['store']}_share"] = share(row, "loop_seconds")
        if row["store"] == "server":
            found[f"{row['side']}_requests"] = row["requests"]
        if row["side"] == "ours":
            found[f"ours_{row['store']}_process_share"] = share(row, "process_seconds")
            found[f"models_{row['store']}_s_each"] = round(row["models_seconds"] / row["models"], 3)
    return found


def share(row: dict[str, Any], name: str) -> float:
    return round(float(row[name] / row["seconds"]), 4)


if __name__ == "__main__":
    main()
