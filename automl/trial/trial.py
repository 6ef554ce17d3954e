"""Runs a trial: its recipe through the store, then export, gate and measuring."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from automl.config import canonical, exchanged
from automl.data import dataset
from automl.errors import Rejected, UserError
from automl.export import onnx
from automl.measure import gate
from automl.measure.measurement import Measurement, Timer, measurement, metrics
from automl.models import foreign
from automl.models.family import Network
from automl.models.out_of_memory import is_out_of_memory, too_large
from automl.recipe import Context, Report, Sibling, Step
from automl.space.exploring import check
from automl.space.space import TrialConfig
from automl.space.store_keys import sibling_config
from automl.store import Store
from automl.training import distillation, parallel
from automl.training.loop import Train
from automl.trial import shortening
from automl.trial.account import Account
from automl.trial.checked_file import check_file
from automl.trial.checked_format import in_formats
from automl.trial.checkpoints import Checkpoints
from automl.trial.prefixes import Prefixes
from automl.trial.result import Status, TrialResult
from automl.trial.shortening import Shortening
from automl.trial.time_limit import CUT_SHORT, TIME_UP, NoTime, Pace, TrialTime
from automl.trial.trial_options import NO_OPTIONS, TrialOptions


def run(
    config: TrialConfig,
    store: Store,
    time_file: Timer,
    cache: Path,
    options: TrialOptions = NO_OPTIONS,
) -> Generator[Report, None, TrialResult]:
    """Run a trial; whoever drives the generator decides after each report whether to go on.

    `cache` is where datasets are kept. A trial whose trainings are made shorter is the trial of
    another config, which the result tells. Training ends where time is up; the rest of the recipe
    is done without any. Under several ranks every rank runs this, and rank 0 alone writes and
    measures. Raises what a step raises; only `Rejected` becomes a result, and memory that does not
    suffice for a single row.
    """
    own_time = TrialTime(options.limit)
    if parallel.agree(own_time.is_too_late()):
        return TrialResult(Status.STOPPED, reason=TIME_UP)
    prefixes = Prefixes(config, store, options.space_source)
    trial = _Trial(config, prefixes, cache, options.device, own_time)
    try:
        network = yield from trial.recipe(options.is_again)
        measurement = trial.measured(network, time_file) if parallel.rank() == 0 else None
    except NoTime as none:
        return trial.result(Status.STOPPED, str(none))
    except Rejected as rejected:
        return trial.result(Status.REJECTED, str(rejected))
    except RuntimeError as error:
        # Ranks that wait for this one must see it fail.
        if parallel.world_size() > 1 or not is_out_of_memory(error):
            raise
        return trial.result(Status.REJECTED, too_large(error, options.device))
    return trial.result(Status.COMPLETE, measurement=measurement)


class _Trial:
    """A trial on its way: its prefixes in the store, and the account of what it took so far.

    `parent` is the fp32 file of the network before the first compression, as soon as there is
    one. `later` are the steps of whom it teaches, if anyone, from there on. `fitted` is the step
    whose training was fitted into its time, -1 for none; a training is fitted once.
    """

    def __init__(
        self,
        config: TrialConfig,
        prefixes: Prefixes,
        cache: Path,
        device: str,
        own_time: TrialTime,
        later: Sequence[Step] = (),
    ) -> None:
        self.config, self.prefixes, self.cache, self.device = config, prefixes, cache, device
        self.time, self.later, self.asked = own_time, later, config
        self.data = dataset.load(config.dataset, config.seed, cache)
        self.account = Account()
        self.parent: bytes | None = None
        self.notes, self.shortened = list[str](), list[str]()
        self.is_cut = False
        self.fitted = -1

    def recipe(self, is_again: bool = False) -> Generator[Report, None, Network]:
        """Go on from the longest prefix in the store; put each new prefix there."""
        self._check()
        done = parallel.agree(self.prefixes.longest() if parallel.rank() == 0 else 0)
        if is_again:
            yield from parallel.agree(self.prefixes.reports(done))
        network = self._from_store(done)
        if not done:
            self._check_network(network)
        while done < len(self.config.recipe):
            made = yield from self._step(done, network)
            if made is None:
                network, done = self._begin_again(done)
            else:
                network, done = made, done + 1
        return network

    def result(
        self, status: Status, reason: str = "", measurement: Measurement | None = None
    ) -> TrialResult:
        """The result of the trial, under the key of the config that it came to be."""
        account = self.account.with_notes(tuple(self.notes))
        result = account.result(self.prefixes.keys[-1], status, reason, measurement)
        config = canonical(self.config) if self.config != self.asked else ""
        return replace(result, shortened="; ".join(self.shortened), config=config)

    def _from_store(self, done: int) -> Network:
        """The network after the steps whose result is stored, with their account."""
        network = self.prefixes.network(done, self.data)
        notes = foreign.notes(network)
        self.account = self.prefixes.account(done).with_notes(notes)
        if done > self.prefixes.num_plain:
            self.parent = self.prefixes.parent()
        return network

    def measured(self, network: Network, time_file: Timer) -> Measurement:
        """Export, gate and measure the finished network: quality here, times by the timer."""
        started = time.perf_counter()
        prefixes, rows = self.prefixes, self.data.validation
        file = onnx.export(network, self.data)
        # A module that is asked for the first time may tell more of how it is computed.
        self.notes += [n for n in foreign.notes(network) if n not in self.account.notes]
        prefixes.store.write(prefixes.keys[-1], {"model.onnx": file})
        gate.check_shrunk(file, self.parent)
        timing = time_file(file, rows.inputs[:1], in_formats(network, self.data))
        answers = check_file(file, network.cpu(), self.data, self.device)
        seconds = time.perf_counter() - started
        self.account = replace(self.account, stages={**self.account.stages, "export": seconds})
        own, times = metrics(answers, rows.targets), timing()
        self.notes += [times.note] * bool(times.note)
        trained = self.account.train_seconds(prefixes.labels)
        return replace(measurement(file, own, times, rows.inputs[:1]), train_seconds=trained)

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

    def _step(self, position: int, network: Network) -> Generator[Report, None, Network | None]:
        """Run one step, and store what it gives; None where the recipe was made shorter first."""
        step, prefixes = self.config.recipe[position], self.prefixes
        if isinstance(step.teacher, Sibling) and not parallel.agree(self.time.is_up()):
            yield from self._train_sibling(position, step.teacher)
            step, prefixes = self.config.recipe[position], self.prefixes
        checkpoints = Checkpoints(prefixes.store, prefixes.keys[position])
        if position == prefixes.num_plain:
            self.parent = prefixes.export_parent(network, self.data)
        yield from parallel.agree(checkpoints.reports())
        torch.manual_seed(self.config.seed)
        pace = self._pace(position)
        context, before = self._context(position, checkpoints, pace), self.account
        try:
            network = yield from step.run(network, context)
        finally:
            self.account = self.account.with_findings(context)
        if pace is not None and parallel.agree(pace.is_too_slow):
            self.account = before
            yield self._shorten(position, pace)
            return None
        if pace is not None and parallel.agree(pace.is_cut) and not self.is_cut:
            self._cut_short(position, pace)
            prefixes = self.prefixes
        self.account = self.account.with_step(step.label, checkpoints.seconds())
        if position < prefixes.num_plain and checkpoints.last is not None:
            self.account = replace(self.account, parent_quality=checkpoints.last.metrics)
        if parallel.rank() == 0:
            prefixes.keep(position, network, self.account, checkpoints.past)
            if not self.is_cut:
                checkpoints.clear()
        parallel.agree(None)  # no rank reads what is not written yet
        return network

    def _train_sibling(self, position: int, sibling: Sibling) -> Generator[Report, None, None]:
        """Have a step's teacher in the store."""
        if sibling.model is None:
            distillation.larger(self.config.model, sibling.width_factor)
        config, label = sibling_config(self.config, sibling), self.config.recipe[position].label
        later = self.config.recipe[position:]
        prefixes = Prefixes(config, self.prefixes.store, self.prefixes.space_source)
        teacher = _Trial(config, prefixes, self.cache, self.device, self.time, later)
        for report in teacher.recipe():
            yield replace(report, step=f"{label}.teacher.{report.step}")
        if teacher.config != config:
            shorter = replace(sibling, recipe=teacher.config.recipe)
            self._become(exchanged(self.config, sibling, shorter))
        self.notes, self.shortened = self.notes + teacher.notes, self.shortened + teacher.shortened
        key = teacher.prefixes.keys[-1]
        self.account = self.account.with_teacher(label, key, teacher.account)

    def _context(self, position: int, checkpoints: Checkpoints, pace: Pace | None) -> Context:
        return Context(
            data=self.data,
            seed=self.config.seed,
            device=self.device,
            teacher=self.prefixes.teacher,
            checkpoints=checkpoints,
            once=self.prefixes.once(position),
            goes_on=None if pace is None else pace.goes_on,
        )

    def _pace(self, position: int) -> Pace | None:
        """The pace of a step's training where time is limited."""
        if self.time.limit is None:
            return None
        step, later = self.config.recipe[position], (*self.config.recipe[position:], *self.later)
        own = shortening.training_passes(step, len(self.data.train.targets))
        every = shortening.passes(later, self.data)
        may_shorten = isinstance(step, Train) and position != self.fitted
        return Pace(self.time, max(1.0, own), every, may_shorten)

    def _shorten(self, position: int, pace: Pace) -> Report:
        """Make the trainings from a step on fit into their time; returns a report that says so."""
        choice = Shortening(self.config, position, pace, self.data, self._num_stored, self.later)
        shorter = parallel.agree(choice.longest() if parallel.rank() == 0 else None)
        if shorter is None:
            return self._train_no_more(position, parallel.agree(choice.no_time()))
        note = parallel.agree(choice.sentence(shorter))
        self._become(shorter)
        self.fitted = position
        self._note(note, choice.words(shorter))
        step = shorter.recipe[position]
        assert isinstance(step, Train)
        return Report(step.label, 0, step.epochs, {}, note)

    def _train_no_more(self, position: int, why: str) -> Report:
        """Have the recipe go on without training from a step on.

        Raises NoTime where nothing was trained before.
        """
        if not any(isinstance(step, Train) for step in self.config.recipe[:position]):
            raise NoTime(why)
        self.time.end()
        return Report(self.config.recipe[position].label, 0, 0, {}, why)

    def _num_stored(self, config: TrialConfig) -> int:
        """The number of steps of a config that need not be run."""
        if self.time.limit is None or not self.time.limit.takes_stored:
            return 0
        return Prefixes(config, self.prefixes.store, self.prefixes.space_source).longest()

    def _become(self, config: TrialConfig) -> None:
        """Be the trial of another config, of which as much is done."""
        self.config = config
        self.prefixes = Prefixes(config, self.prefixes.store, self.prefixes.space_source)

    def _begin_again(self, position: int) -> tuple[Network, int]:
        """The network to go on from, and the number of steps that are done, once the recipe was
        made shorter from a step on."""
        stored = parallel.agree(self.prefixes.longest() if parallel.rank() == 0 else 0)
        if stored <= position:
            return self.prefixes.network(position, self.data), position
        return self._from_store(stored), stored

    def _cut_short(self, position: int, pace: Pace) -> None:
        """Note that a step's training ended before its end, as time was up: no other trial is to
        take what comes of it for what its config says."""
        self.is_cut, self.prefixes = True, self.prefixes.apart(position)
        done = parallel.agree(pace.done)
        when = f"after {done:.0%} of" if done else "before"
        words = f"{CUT_SHORT} {when} {self.config.recipe[position].label}"
        self._note(f"{words}: time was up", words)

    def _note(self, note: str, words: str) -> None:
        """Note that a training is shorter than it was to be, in a sentence and in a few words."""
        self.notes.append(note)
        self.shortened.append(words)
