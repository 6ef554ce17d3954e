"""A trial over several workers: one Ray Train run for its whole recipe, a report at a time."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Generator
from dataclasses import replace
from typing import TypedDict

import ray
from ray.actor import ActorHandle
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from automl.cluster import sent_back
from automl.cluster.trial_inputs import Assignment, TrialInputs
from automl.errors import words
from automl.recipe import Report
from automl.training import parallel
from automl.trial.result import Status, TrialResult, failed

POLL_SECONDS = 1.0
MAX_LOST_WORKERS = 2
WORKER_CPUS_LESS = 0.01


@ray.remote(num_cpus=0)
class Mailbox:
    """Carries rank 0's reports to the trial, and the trial's verdicts back."""

    def __init__(self) -> None:
        self.reports: asyncio.Queue[Report | TrialResult] = asyncio.Queue()
        self.verdicts: asyncio.Queue[bool] = asyncio.Queue()

    async def report(self, report: Report) -> bool:
        """Hand in a report. Returns True when the trial is to go on."""
        await self.reports.put(report)
        return await self.verdicts.get()

    async def end(self, result: TrialResult) -> None:
        await self.reports.put(result)

    async def take(self) -> Report | TrialResult:
        return await self.reports.get()

    async def answer(self, go_on: bool) -> None:
        await self.verdicts.put(go_on)


def run_on_workers(
    inputs: TrialInputs, assignment: Assignment, num_workers: int
) -> Generator[Report, None, TrialResult]:
    """Run a trial whose ranks are Ray Train workers: its reports, then its result.

    When a worker is lost all are started again, and go on from the last checkpoint.
    """
    notes: tuple[str, ...] = ()
    while True:
        try:
            result = yield from _run_once(inputs, assignment, num_workers)
        except _Lost as lost:
            if len(notes) == MAX_LOST_WORKERS:
                return TrialResult(Status.FAILED, reason=f"its workers were lost again: {lost}")
            notes += (f"a worker was lost, all began again from the last checkpoint: {lost}",)
        else:
            return replace(result, notes=result.notes + notes)


class _Lost(Exception):
    """The workers ended without a result."""


class _RankConfig(TypedDict):
    """The settings of a rank, as Train hands them over."""

    inputs: TrialInputs
    assignment: Assignment
    mailbox: ActorHandle


def _run_once(
    inputs: TrialInputs, assignment: Assignment, num_workers: int
) -> Generator[Report, None, TrialResult]:
    mailbox = Mailbox.options(  # type: ignore[attr-defined]
        scheduling_strategy="DEFAULT"
    ).remote()
    fit = _Fit(inputs, assignment, num_workers, mailbox)
    fit.start()
    try:
        while True:
            item = _take(mailbox, fit)
            if isinstance(item, TrialResult):
                return item
            yield item
            mailbox.answer.remote(True)
    finally:
        mailbox.answer.remote(False)
        fit.join()
        ray.kill(mailbox)


class _Fit(threading.Thread):
    """Runs `TorchTrainer.fit` beside the trial, and keeps what it raises."""

    def __init__(
        self, inputs: TrialInputs, assignment: Assignment, num_workers: int, mailbox: ActorHandle
    ) -> None:
        super().__init__(daemon=True)
        # Workers ask for a hair less than a CPU: the trial itself holds some of a CPU.
        resources = {
            "CPU": inputs.cpus - WORKER_CPUS_LESS,
            **({"GPU": inputs.gpus} if inputs.gpus else {}),
        }
        self.error: BaseException | None = None
        self.trainer = TorchTrainer(
            _rank,
            train_loop_config=_RankConfig(inputs=inputs, assignment=assignment, mailbox=mailbox),
            scaling_config=ScalingConfig(
                num_workers=num_workers,
                use_gpu=bool(inputs.gpus),
                resources_per_worker=resources,
            ),
            run_config=RunConfig(name=uuid.uuid4().hex, storage_path=inputs.ray_folder),
        )

    def run(self) -> None:
        try:
            self.trainer.fit()
        except BaseException as error:
            self.error = error


def _take(mailbox: ActorHandle, fit: _Fit) -> Report | TrialResult:
    """The next report, or the result. Raises _Lost when the run has died without either."""
    waiting = mailbox.take.remote()
    while True:
        ready, _ = ray.wait([waiting], timeout=POLL_SECONDS)
        if ready:
            item: Report | TrialResult = ray.get(waiting)
            return item
        if not fit.is_alive():
            raise _Lost(words(fit.error).splitlines()[0] if fit.error else "they ended")


def _rank(config: _RankConfig) -> None:
    """Run the whole trial as one of its ranks; all ranks stop at once."""
    import torch

    inputs, mailbox = config["inputs"], config["mailbox"]
    torch.set_num_threads(max(1, int(inputs.cpus)))
    client = inputs.client()
    trial = config["assignment"].run(inputs, client)
    while True:
        try:
            report = sent_back.report(next(trial))
        except StopIteration as end:
            if parallel.rank() == 0:
                result = replace(end.value, waited_seconds=client.waited_seconds)
                ray.get(mailbox.end.remote(sent_back.result(result)))
            return
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            if hasattr(error, "ray_terminate_msg"):
                raise
            if not parallel.lost_peer(error):
                ray.get(mailbox.end.remote(failed(error)))
            raise
        go_on = ray.get(mailbox.report.remote(report)) if parallel.rank() == 0 else True
        if not parallel.agree(go_on):
            trial.close()
            return
