"""Runs a trial: its recipe through the store, then export, gate and measuring."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import torch

from automl.data import dataset
from automl.data.dataset import Split
from automl.errors import Rejected, UserError
from automl.export import onnx
from automl.measure.measurement import Measurement
from automl.models import foreign
from automl.models.family import Network, larger
from automl.recipe import Context, Report, Sibling
from automl.space.exploring import check
from automl.space.space import TrialConfig
from automl.space.store_keys import sibling_config
from automl.store import Store
from automl.training import parallel
from automl.trial.account import Account
from automl.trial.checked_file import check_file
from automl.trial.checkpoints import Checkpoints
from automl.trial.prefixes import Prefixes
from automl.trial.result import Status, TrialResult

Measure = Callable[[bytes, Split], Measurement]


def run(
    config: TrialConfig,
    store: Store,
    measure: Measure,
    cache: Path,
    space_source: str = "",
    device: str = "cpu",
    is_again: bool = False,
) -> Generator[Report, None, TrialResult]:
    """Run a trial; whoever drives the generator decides after each report whether to go on.

    `cache` is where datasets are kept. A trial that was run before (`is_again`) first repeats
    its reports of the steps that are done: whoever was to hear them may have died. Under several
    ranks every rank runs this, and rank 0 alone writes and measures. Raises what a step raises;
    only `Rejected` becomes a result.
    """
    trial = _Trial(config, Prefixes(config, store, space_source), cache, device)
    key = trial.prefixes.keys[-1]
    try:
        network = yield from trial.recipe(is_again)
        measurement = trial.measured(network, measure) if parallel.rank() == 0 else None
    except Rejected as rejected:
        return trial.account.result(key, Status.REJECTED, reason=str(rejected))
    return trial.account.result(key, Status.COMPLETE, measurement=measurement)


class _Trial:
    """A trial on its way: its prefixes in the store, and the account of what it took so far.

    `parent` is the fp32 file of the network before the first compression, as soon as there is
    one.
    """

    def __init__(self, config: TrialConfig, prefixes: Prefixes, cache: Path, device: str) -> None:
        self.config, self.prefixes, self.cache, self.device = config, prefixes, cache, device
        self.data = dataset.load(config.dataset, config.seed, cache)
        self.account = Account()
        self.parent: bytes | None = None

    def recipe(self, is_again: bool = False) -> Generator[Report, None, Network]:
        """Go on from the longest prefix in the store; put each new prefix there."""
        self._check()
        done = parallel.agree(self.prefixes.longest() if parallel.rank() == 0 else 0)
        if is_again:
            yield from parallel.agree(self.prefixes.reports(done))
        network = self.prefixes.network(done, self.data)
        self.account = self.prefixes.account(done).with_notes(foreign.notes(network))
        if done > self.prefixes.num_plain:
            self.parent = self.prefixes.parent()
        if not done:
            self._check_network(network)
        for position in range(done, len(self.config.recipe)):
            network = yield from self._step(position, network)
        return network

    def measured(self, network: Network, measure: Measure) -> Measurement:
        """Export, gate and measure the finished network."""
        started = time.perf_counter()
        prefixes = self.prefixes
        file = onnx.export(network, self.data)
        prefixes.store.write(prefixes.keys[-1], {"model.onnx": file})
        check_file(file, network.cpu(), self.data, self.parent)
        seconds = time.perf_counter() - started
        self.account = replace(self.account, stages={**self.account.stages, "export": seconds})
        measurement = measure(file, self.data.validation)
        return replace(measurement, train_seconds=self.account.train_seconds(prefixes.labels))

    def _check(self) -> None:
        """Raise Rejected on what `automl check` has not met: it takes each option of a space with
        some of the others, not with all."""
        try:
            check(self.config)
            for step in self.config.recipe:
                step.check_data(self.data.info)
        except UserError as error:
            raise Rejected(str(error)) from None

    def _check_network(self, network: Network) -> None:
        """Raise Rejected where a step cannot work on the untrained network, before it trains."""
        try:
            for step in self.config.recipe:
                step.check_network(network, self.data)
        except UserError as error:
            raise Rejected(str(error)) from None

    def _step(self, position: int, network: Network) -> Generator[Report, None, Network]:
        """Run one step, and store what it gives."""
        step, prefixes = self.config.recipe[position], self.prefixes
        if isinstance(step.teacher, Sibling):
            yield from self._train_sibling(step.label, step.teacher)
        checkpoints = Checkpoints(prefixes.store, prefixes.keys[position])
        if position == prefixes.num_plain:
            self.parent = prefixes.export_parent(network, self.data)
        yield from parallel.agree(checkpoints.reports())
        torch.manual_seed(self.config.seed)
        context = self._context(position, checkpoints)
        try:
            network = yield from step.run(network, context)
        finally:
            self.account = self.account.with_findings(context)
        self.account = self.account.with_step(step.label, checkpoints.seconds())
        if position < prefixes.num_plain and checkpoints.last is not None:
            self.account = replace(self.account, parent_quality=checkpoints.last.metrics)
        if parallel.rank() == 0:
            prefixes.keep(position, network, self.account, checkpoints.past)
            checkpoints.clear()
        parallel.agree(None)  # no rank reads what is not written yet
        return network

    def _train_sibling(self, label: str, sibling: Sibling) -> Generator[Report, None, None]:
        """Have a step's teacher in the store."""
        if sibling.model is None:
            larger(self.config.model, sibling.width_factor)
        config, own = sibling_config(self.config, sibling), self.prefixes
        prefixes = Prefixes(config, own.store, own.space_source)
        teacher = _Trial(config, prefixes, self.cache, self.device)
        for report in teacher.recipe():
            yield replace(report, step=f"{label}.teacher.{report.step}")
        self.account = self.account.with_teacher(label, prefixes.keys[-1], teacher.account)

    def _context(self, position: int, checkpoints: Checkpoints) -> Context:
        return Context(
            data=self.data,
            seed=self.config.seed,
            device=self.device,
            teacher=self.prefixes.teacher,
            checkpoints=checkpoints,
            once=self.prefixes.once(position),
        )
