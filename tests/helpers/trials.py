"""Trials and searches driven in the test's own process."""

import atexit
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from automl.data import dataset
from automl.data.dataset import Data, Dataset
from automl.data.sklearn import Sklearn
from automl.measure.measurement import timer
from automl.recipe import Report
from automl.space.space import TrialConfig
from automl.store import Store
from automl.trial.result import TrialResult
from automl.trial.trial import run
from automl.trial.trial_options import TrialOptions

DIGITS = Sklearn("digits")

CACHE = tempfile.TemporaryDirectory(prefix="automl-cache-")
"""Where the tests of a process keep their datasets."""
atexit.register(CACHE.cleanup)


def load(data: Dataset, seed: int = 0) -> Data:
    return dataset.load(data, seed, Path(CACHE.name))


def drive(config: TrialConfig, store: Store, **options: Any) -> tuple[list[Report], TrialResult]:
    """Run a trial to its end in this process."""

    reports = []
    trial = run(config, store, timer(), Path(CACHE.name), TrialOptions(**options))
    while True:
        try:
            reports.append(next(trial))
        except StopIteration as end:
            return reports, end.value


def finish(generator: Any) -> Any:
    """A generator's return value."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def study_of(name: str, count: int, fixed: dict[str, str], folder: Path) -> Any:
    """A search of a space, as if it had run so many trials, one after the other.

    `name` is a shipped space's, or the path of a space file.
    """
    from automl import user_code
    from automl.bounds.bound import Bounds
    from automl.engine.searches import Search
    from automl.home import Home
    from automl.measure.latency import Reference
    from automl.measure.measurement import measure
    from automl.space import space_file
    from automl.space.exploring import explore
    from automl.space.runtime import ONNX
    from automl.space.store_keys import needed_keys
    from automl.study import study as studies
    from automl.study.propose.proposer import Proposer, ProposerOptions
    from automl.study.record import Settings, TrialRecord
    from automl.study.trial_id import TrialId
    from automl.trial.reference_model import largest

    home, cache = Home(folder), Path(CACHE.name)
    path = space_file.find(name)
    text = space_file.read(path)
    space, code = space_file.load(text, fixed), user_code.fingerprint(text)
    reference = largest(space, explore(space), cache)
    file = reference.export()
    figures = measure(file, reference.rows.inputs, reference.rows.targets)
    axes = reference.axes(space.objectives, figures.figures)
    start = (path.stem, "", space.objectives, space.constraints, fixed, 0, "tpe", axes)
    study = studies.create(
        home.study(path.stem), Settings(*start, figures.latency_ms), text, {ONNX: file}
    )
    bounds, options = Bounds(cache), ProposerOptions()
    proposer = Proposer(study.settings, space, lambda c: needed_keys(c, code), bounds, options)
    for number in range(count):
        proposal = proposer.propose(number)
        candidate = proposal.candidate
        record = TrialRecord(
            TrialId(number),
            candidate.params,
            candidate.distributions,
            proposal.drawing,
        )
        study.start(record)
        trial = run(
            candidate.config,
            Store(home.store),
            timer(Reference(file, figures.latency_ms, figures.load_ms)),
            cache,
            TrialOptions(code),
        )
        study.end(replace(record.on_course(departure=number + 1), result=finish(trial)))
        proposer.learn(study.records()[number])
    home.cache.symlink_to(cache)
    return Search(study, home)
