"""A search acted out: a study and its trials as a search writes them, without any training."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from mlflow import MlflowClient
from mlflow.entities import Run
from onnx import TensorProto, helper
from optuna.distributions import CategoricalDistribution, IntDistribution

from automl.measure.measurement import Measurement
from automl.pareto import Axis
from automl.recipe import Report
from automl.study.record import Settings, TrialRecord
from automl.study.study import Study, create
from automl.study.trial_id import TrialId
from automl.tracking.delivery import Delivery
from automl.tracking.events import Reported
from automl.tracking.journal import Journal
from automl.tracking.mlflow_client import children, connect
from automl.tracking.pages import files
from automl.tracking.registry import Shipped
from automl.tracking.tracker import Tracker
from automl.trial.result import Status, TrialResult

DOMAINS = {
    "width": IntDistribution(0, 10_000),
    "optimizer": CategoricalDistribution(["SGD", "AdamW"]),
}
RECORD = TrialRecord(TrialId(0), {"width": 8, "optimizer": "SGD"}, DOMAINS)
EPOCHS = 5
AXES = {"accuracy": Axis(0.1, 1.0), "size_bytes": Axis(1e5, 1e2)}


def study(folder: Path) -> Study:
    settings = Settings("digits", "", tuple(AXES), (), {}, 0, "random", AXES, 1.0)
    return create(folder, settings, "text", {"": b"file"})


def write_front(study: Study, folder: Path) -> None:
    (folder / "front.html").write_text(f"{len(study.records())} trials")


def tracker(study: Study, uri: str, write_report: files.Write = write_front) -> Tracker:
    """Its artifacts are beside the study, unless a server has them."""
    artifacts = None if uri.startswith("http") else study.folder.parent / "artifacts"
    delivery = Delivery(study, uri, artifacts, write_report, lambda r: shipped(r.id.number))
    return Tracker(study, InThread(delivery))


class InThread:
    """Delivers as the process of a search does, without the seconds that one takes to start."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery, self.closing, self.away = delivery, threading.Event(), ""
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self) -> None:
        self.away = self.delivery.work(self.closing)

    def end(self, seconds: float | None) -> str:
        self.closing.set()
        self.thread.join(seconds)
        return self.away


def start(tracker: Tracker, number: int) -> TrialRecord:
    record = replace(RECORD, id=TrialId(number))
    tracker.study.start(record)
    tracker.started(record)
    return record


def report(tracker: Tracker, number: int, epoch: int) -> None:
    metrics = {"loss": 1 / epoch, "accuracy": epoch / 100}
    tracker.reported(TrialId(number), Report("train", epoch, 100, metrics))


def finish(tracker: Tracker, record: TrialRecord, **result: object) -> None:
    """Each is more accurate and larger than the one before: all are on the front."""
    number = record.id.number
    ended = replace(
        record.on_course(departure=number + 1), result=replace(complete(number), **result)
    )
    tracker.study.end(ended)
    tracker.finished(ended)


def act(tracker: Tracker, numbers: Iterable[int], pause: float = 0.0) -> None:
    """Whole trials, one after the other."""
    for number in numbers:
        record = start(tracker, number)
        for epoch in range(1, EPOCHS + 1):
            report(tracker, number, epoch)
            time.sleep(pause)
        finish(tracker, record)


def shown(study: Study, uri: str) -> tuple[MlflowClient, Run, dict[str, Run]]:
    """(the client, the search's run, its trials' runs by trial id)"""
    client, place = connect(uri), study.attribute("mlflow")
    found = list(children(client, place["experiment_id"], place["run_id"]))
    by_id = {run.data.tags["automl.trial_id"]: run for run in found}
    assert len(by_id) == len(found), "a trial has two runs"
    return client, client.get_run(place["run_id"]), by_id


def check_nothing_is_lost(study: Study, uri: str, num_trials: int) -> None:
    """Every epoch once, in order, at its own time; every end."""
    events = list(Journal(study.folder).all())
    client, parent, runs = shown(study, uri)
    assert sorted(runs) == [f"{number:04d}" for number in range(num_trials)]
    for number in range(num_trials):
        run = runs[f"{number:04d}"]
        own = [event for event in events if getattr(event, "trial", "") == f"{number:04d}"]
        history = client.get_metric_history(run.info.run_id, "train/loss")
        expected = [(e.epoch, e.metrics["loss"], e.time) for e in own if isinstance(e, Reported)]
        assert [(m.step, m.value, m.timestamp) for m in history] == expected
        assert [epoch for epoch, _, _ in expected] == list(range(1, EPOCHS + 1))
        assert (run.info.start_time, run.info.end_time) == (own[0].time, own[-1].time)
        assert run.info.status == "FINISHED"
        assert len(client.get_metric_history(run.info.run_id, "accuracy")) == 1
    history = client.get_metric_history(parent.info.run_id, "hypervolume")
    assert [metric.step for metric in history] == list(range(1, num_trials + 1))
    assert [metric.value for metric in history] == sorted(metric.value for metric in history)
    assert parent.info.status == "FINISHED"
    assert (parent.info.start_time, parent.info.end_time) == (events[0].time, events[-1].time)


def complete(number: int) -> TrialResult:
    quality = {"accuracy": 0.5 + number / 1000, "macro_f1": 0.4}
    measured = Measurement(quality, len(shipped(number).file), 1.0 - number / 1000, 2.0)
    stages = {"train": 1.0, "export": 0.5}
    return TrialResult(Status.COMPLETE, key=f"key{number}", measurement=measured, stages=stages)


@functools.cache
def shipped(number: int) -> Shipped:
    """A linear map of 4 + `number` raw numbers to three logits."""
    columns = 4 + number
    weights = np.random.default_rng(number).normal(size=(columns, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["input", "w"], ["logits"])],
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", columns])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return Shipped(model.SerializeToString(), np.arange(columns, dtype=np.float32)[None])
