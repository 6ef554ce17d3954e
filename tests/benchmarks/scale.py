"""What a search itself costs when it is large: 100,000 trials on 1,000 workers of a virtual clock.

python tests/benchmarks/scale.py [--small]

The proposals, the stop rule and the study in its journal are those of a real search of the digits
space; what a trial reaches is made up, and takes no time. `blocking_ms_per_trial` is what the
search's loop waits for: all of `next`, `goes_on` and `finish` but what is left to the two threads.
`thread_ms_per_trial` is the thread that learns and draws, `writing_ms_per_trial` the one that
writes the study. The workers are filled first, by trials that are not counted: from then on a trial
starts whenever one leaves. What a trial has made is stored, as in a real search, and no proposal
waits for it any more. `last_over_first_thousand` compares blocking and both threads. In the end all
workers are freed at once: `seconds_to_refill` is all that is done, learning and writing too, until
each has another trial but those that wait for what another makes. All times are a core's.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import report_file
from cells import CACHE

from automl import user_code
from automl.bounds.bound import Bound, Bounds
from automl.measure.measurement import Measurement
from automl.pareto import SPAN, Axis
from automl.recipe import Report
from automl.space import space_file
from automl.space.space import TrialConfig
from automl.space.store_keys import prefix_keys
from automl.study.background import Immediately, P, T
from automl.study.dispatcher import Dispatcher, DispatcherOptions
from automl.study.record import Settings, TrialRecord
from automl.study.simulator import Course, simulate
from automl.study.stopping.rung_entry import rung_entry
from automl.study.study import Study, create
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult

AXES = {
    "accuracy": Axis(0.1, 1.0),
    "size_bytes": Axis(6e5, 6e5 / SPAN, True),
    "latency_ms": Axis(1.0, 1 / SPAN, True),
}
MACS_PER_MS = 3e6
KEY_DIGITS = 15
ROWS = 360
"""Accuracy is a share of so many, as on digits: trials are often equally good."""
ELSEWHERE = {
    "measuring": "waiting_for_measurer_share",
    "front_stability": "front_changed_share",
}
"""Figures that `measuring.py` and `front_stability.py` have found, told beside those of scale."""
PACKAGES = ("optuna", "numpy", "scipy", "torch")
SECONDS: Counter[str] = Counter()
"""What went where: "loop", and by the threads' names."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--again", action="store_true")
    given = parser.parse_args()
    results = report_file.path("scale", given.small)
    if results.exists() and not given.again:
        print(json.dumps(json.loads(results.read_text())["summary"]))
        return
    workers, trials = (100, 1000) if given.small else (1000, 100_000)
    report = played(workers, trials)
    report_file.write(results, report, PACKAGES)
    print(json.dumps(report["summary"]))


def played(workers: int, trials: int) -> dict[str, Any]:
    """A search, and what each thousand of its trials cost, in seconds."""
    thousands: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store()
        dispatcher = started(Path(folder) / "scale", workers, store)
        known = dispatcher.proposer.known
        course_of = partial(course, known.bound_of, store)
        filling = dict(SECONDS)
        SECONDS.clear()
        virtual_seconds, thousand = 0.0, min(1000, trials // 10)
        for event in simulate(dispatcher, course_of, workers):
            if dispatcher.num_started >= workers + thousand * (len(thousands) + 1):
                thousands.append(dict(SECONDS))
                SECONDS.clear()
                print(len(thousands), thousands[-1], peak_mb(), flush=True)
                virtual_seconds = event.second
            if len(thousands) * thousand >= trials:
                break
        found = {
            "paused": len(dispatcher.under_way.paused),
            "front": len(known.front.members),
            "hypervolume": known.front.hypervolume,
            "journal_mb": round(journal_mb(dispatcher), 1),
        }
        costs = summary(thousands, thousand)
        refilled = refill(dispatcher, course_of)
        dispatcher.close()
    return {
        "summary": {**costs, **refilled, **elsewhere()},
        "thousands": thousands,
        "filling": filling,
        "workers": workers,
        **found,
        "virtual_seconds": virtual_seconds,
        "seed": 0,
    }


def summary(thousands: list[dict[str, float]], thousand: int) -> dict[str, float]:
    trials = thousand * len(thousands)

    def ms(name: str) -> float:
        return round(1000 * sum(part[name] for part in thousands) / trials, 3)

    return {
        "trials": trials,
        "blocking_ms_per_trial": ms("loop"),
        "thread_ms_per_trial": ms("draws"),
        "writing_ms_per_trial": ms("study"),
        "last_over_first_thousand": round(
            sum(thousands[-1].values()) / sum(thousands[0].values()), 3
        ),
        "driver_peak_mb": round(peak_mb(), 1),
    }


def elsewhere() -> dict[str, float]:
    """The figures of other benchmarks, as they were last taken."""
    found: dict[str, float] = {}
    for benchmark, name in ELSEWHERE.items():
        found[name] = json.loads(report_file.path(benchmark).read_text())["summary"][name]
    return found


def refill(dispatcher: Dispatcher, course_of: Callable[[TrialConfig], Course]) -> dict[str, float]:
    """End all that runs at once: the slots that are freed, and the seconds until each is taken."""
    under_way = dispatcher.under_way
    ends = {trial: last(course_of(under_way.plans[trial].config)) for trial in under_way.live}
    SECONDS.clear()
    for trial, result in ends.items():
        dispatcher.end(trial, result)
    while dispatcher.next() is not None:
        pass
    taken = len(under_way.live)
    return {
        "slots_freed": len(ends),
        "slots_taken": taken,
        "seconds_to_refill": round(sum(SECONDS.values()), 2),
    }


def last(course: Course) -> TrialResult:
    while True:
        try:
            next(course)
        except StopIteration as end:
            _, result = end.value
            return result


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def journal_mb(dispatcher: Dispatcher) -> float:
    return sum(file.stat().st_size for file in dispatcher.study.folder.iterdir()) / 1e6


class Store:
    """The prefixes that made-up trials have stored, in little room: a real search's are on disk."""

    def __init__(self) -> None:
        self.made: set[int] = set()

    def __contains__(self, key: str) -> bool:
        return int(key[:KEY_DIGITS], 16) in self.made

    def add(self, key: str) -> None:
        self.made.add(int(key[:KEY_DIGITS], 16))


def started(folder: Path, workers: int, store: Store) -> Dispatcher:
    text, bound_of = space_file.find("digits").read_text(), Bounds(CACHE)
    create(
        folder, Settings("digits", "", tuple(AXES), (), {}, 0, "tpe", AXES, 1.0), text, {"": b""}
    )
    study = Study(folder)
    dispatcher = TimedDispatcher(
        study,
        space_file.load(text),
        user_code.fingerprint(text),
        store.__contains__,
        bound_of,
        DispatcherOptions(
            slots=workers,
            max_live=workers,
            rung_entry=partial(rung_entry, study.settings, bound_of),
            thread=TimedThread,
        ),
    )
    study.forget()
    return dispatcher


def course(bound_of: Callable[[TrialConfig], Bound], store: Store, config: TrialConfig) -> Course:
    """A trial made up: an epoch takes what its step's work does, and a trained prefix nothing."""
    bound, rng = bound_of(config), random.Random(repr(config))
    top = 1 - 0.4 * math.exp(-bound.size_bytes / 2e4) - 0.1 * rng.random() ** 2
    keys = prefix_keys(config)
    for key, step in zip(keys, config.recipe, strict=True):
        epochs = 0 if key in store else getattr(step, "epochs", 0)
        for epoch in range(1, epochs + 1):
            accuracy = round(ROWS * top * epoch / (epoch + 0.5)) / ROWS
            metrics = {"accuracy": accuracy}
            yield bound.steps[step.label] / 1e9, Report(step.label, epoch, epochs, metrics)
        store.add(key)
    latency = bound.macs / MACS_PER_MS * rng.uniform(0.9, 1.1)
    figures = {"accuracy": round(ROWS * top) / ROWS}
    measured = Measurement(figures, int(bound.size_bytes * 1.1), latency, 1.0)
    return 0.5, TrialResult(Status.COMPLETE, "", keys[-1], measured, figures)


class TimedThread(Immediately):
    """Does the work at once, and adds its seconds up under its name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        with timed(self.name):
            return super().__call__(work, *args, **kwargs)


class TimedDispatcher(Dispatcher):
    """Adds up what the loop waits for."""

    def next(self) -> TrialRecord | None:
        with timed("loop"):
            return super().next()

    def goes_on(self, trial: TrialId, report: Report, seconds: float = 0.0) -> bool:
        with timed("loop"):
            return super().goes_on(trial, report, seconds)

    def end(self, trial: TrialId, result: TrialResult) -> TrialRecord:
        with timed("loop"):
            return super().end(trial, result)


class timed:
    """Seconds of this name, without those that others inside it take."""

    running: ClassVar[list[str]] = []
    since = 0.0

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        self._spend()
        self.running.append(self.name)

    def __exit__(self, *_: object) -> None:
        self._spend()
        self.running.pop()

    def _spend(self) -> None:
        now = time.process_time()
        if self.running:
            SECONDS[self.running[-1]] += now - timed.since
        timed.since = now


if __name__ == "__main__":
    main()
