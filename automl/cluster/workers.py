"""A trial over several workers: one Ray Train run for its whole recipe, a report at a time."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import ray
from ray.actor import ActorHandle
from ray.train import RunConfig, ScalingConfig, WorkerGroupError
from ray.train.torch import TorchTrainer

from automl.cluster import sent_back
from automl.cluster.left_out import check_here, elsewhere, unfit_node
from automl.cluster.losses import MAX_LOST_NODES, is_lost_node
from automl.cluster.trial_inputs import Assignment, TrialInputs
from automl.errors import words
from automl.recipe import Report
from automl.training import cpu_process, parallel
from automl.trial.result import Status, TrialResult, failed

POLL_SECONDS = 1.0
MAX_LOST_WORKERS = 2


@ray.remote(num_cpus=0)
class Mailbox:
    """Carries rank 0's reports to the trial, and the trial's verdicts back."""

    def __init__(self) -> None:
        self.reports: asyncio.Queue[Report | TrialResult | None] = asyncio.Queue()
        self.verdicts: asyncio.Queue[bool] = asyncio.Queue()

    async def begin(self) -> None:
        """Say that the workers are at work."""
        await self.reports.put(None)

    async def report(self, report: Report) -> bool:
        """Hand in a report. Returns True when the trial is to go on."""
        await self.reports.put(report)
        return await self.verdicts.get()

    async def end(self, result: TrialResult) -> None:
        await self.reports.put(result)

    async def take(self) -> Report | TrialResult | None:
        return await self.reports.get()

    async def answer(self, go_on: bool) -> None:
        await self.verdicts.put(go_on)


@dataclass(frozen=True)
class WorkerGroup:
    """The workers of a trial: how many, the resources of each, and the nodes that take none."""

    num_workers: int
    bundle: Mapping[str, float]
    left_out: Sequence[str] = ()


def run_on_workers(
    inputs: TrialInputs, assignment: Assignment, group: WorkerGroup
) -> Generator[Report | None, None, TrialResult]:
    """Run a trial whose ranks are Ray Train workers: its reports, then its result.

    Until there are resources for all of them, Train's placement group waits, which an autoscaler
    sees; None says that they have begun. When a worker is lost all are started again, and go on
    from the last checkpoint. A node that is lost is no fault of the trial's, within limits.
    """
    notes: list[str] = []
    num_lost = num_nodes = 0
    while True:
        try:
            result = yield from _run_once(inputs, assignment, group)
        except _Lost as lost:
            unfit = unfit_node(lost.why)
            if unfit and unfit not in group.left_out:
                group = replace(group, left_out=[*group.left_out, unfit])
                continue
            num_lost, num_nodes = num_lost + 1, num_nodes + lost.by_node
            if num_lost - num_nodes > MAX_LOST_WORKERS or num_nodes > MAX_LOST_NODES:
                return TrialResult(Status.FAILED, reason=f"its workers were lost again: {lost}")
            notes.append(f"a worker was lost, all began again from the last checkpoint: {lost}")
        else:
            return replace(result, notes=(*result.notes, *notes))


class _Lost(Exception):
    """The workers ended without a result; `why` in Train's words, `by_node` if one was lost."""

    def __init__(self, error: BaseException | None) -> None:
        self.why = words(error) if error else "they ended"
        self.by_node = any(is_lost_node(text) for text in _texts(error))
        super().__init__(self.why.splitlines()[0])


class _RankConfig(TypedDict):
    """The settings of a rank, as Train hands them over."""

    inputs: TrialInputs
    assignment: Assignment
    mailbox: ActorHandle


def _run_once(
    inputs: TrialInputs, assignment: Assignment, group: WorkerGroup
) -> Generator[Report | None, None, TrialResult]:
    mailbox = Mailbox.options(  # type: ignore[attr-defined]
        scheduling_strategy="DEFAULT"
    ).remote()
    fit = _Fit(inputs, assignment, group, mailbox)
    fit.start()
    try:
        while True:
            item = _take(mailbox, fit)
            if isinstance(item, TrialResult):
                return item
            yield item
            if item is not None:
                mailbox.answer.remote(True)
    finally:
        mailbox.answer.remote(False)
        fit.join()
        ray.kill(mailbox)


class _Fit(threading.Thread):
    """Runs `TorchTrainer.fit` beside the trial, and keeps what it raises."""

    def __init__(
        self, inputs: TrialInputs, assignment: Assignment, group: WorkerGroup, mailbox: ActorHandle
    ) -> None:
        super().__init__(daemon=True)
        self.error: BaseException | None = None
        self.trainer = TorchTrainer(
            _rank,
            train_loop_config=_RankConfig(inputs=inputs, assignment=assignment, mailbox=mailbox),
            scaling_config=ScalingConfig(
                num_workers=group.num_workers,
                use_gpu=bool(inputs.gpus),
                resources_per_worker=dict(group.bundle),
                label_selector=elsewhere(group.left_out) or None,
            ),
            run_config=RunConfig(name=uuid.uuid4().hex, storage_path=inputs.ray_folder),
        )

    def run(self) -> None:
        try:
            self.trainer.fit()
        except BaseException as error:
            self.error = error


def _take(mailbox: ActorHandle, fit: _Fit) -> Report | TrialResult | None:
    """The next report, the result, or None when the workers begin.

    Raises _Lost when the run has died without any.
    """
    waiting = mailbox.take.remote()
    while True:
        ready, _ = ray.wait([waiting], timeout=POLL_SECONDS)
        if ready:
            item: Report | TrialResult | None = ray.get(waiting)
            return item
        if not fit.is_alive():
            raise _Lost(fit.error)


def _texts(error: BaseException | None) -> list[str]:
    """The words of an error, and of each worker's own that it stands for."""
    own = error.worker_failures.values() if isinstance(error, WorkerGroupError) else ()
    return [str(one) for one in (error, *own) if one is not None]


def _rank(config: _RankConfig) -> None:
    """Run the whole trial as one of its ranks; all ranks stop at once."""
    inputs, mailbox = config["inputs"], config["mailbox"]
    check_here(inputs.store())
    if parallel.rank() == 0:
        ray.get(mailbox.begin.remote())
    cpu_process.prepare(inputs.cpus)
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
