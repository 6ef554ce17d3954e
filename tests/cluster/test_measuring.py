"""Measuring through the judge: as in this process, and also after its process was lost."""

import numpy as np
import onnxruntime
import pytest
import ray
from helpers.trials import DIGITS, drive

from automl.cluster.measuring import Bench, RemoteMeasure
from automl.data import dataset
from automl.measure.measurement import Reference
from automl.models.mlp import MLP
from automl.space.space import TrialConfig
from automl.training.loop import Train


@pytest.fixture
def made(store, tmp_path):
    """An exported file, and the rows that it is measured on."""
    config = TrialConfig(DIGITS, MLP((16,)), (Train(epochs=2),))
    _, result = drive(config, store)
    return store.read(result.key, "model.onnx"), dataset.load(DIGITS, 0, tmp_path).validation


def test_a_lost_judge_is_made_anew_and_measures_against_the_same_file(ray_session, made):
    file, rows = made
    measure = RemoteMeasure(Bench.of(Reference(file, 7.0)))
    first = measure(file, rows)
    ray.kill(measure.bench.judge, no_restart=False)
    again = measure(file, rows)
    session = onnxruntime.InferenceSession(file)
    logits = session.run(["logits"], {"input": rows.inputs.astype(np.float32)})[0]
    accuracy = np.mean(logits.argmax(1) == rows.targets)
    assert first.quality["accuracy"] == again.quality["accuracy"] == accuracy
    for measured in (first, again):
        assert measured.latency_ms == pytest.approx(7.0, rel=0.5), "it is its own reference"
