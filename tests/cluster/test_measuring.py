"""Measuring through the measurer: as in this process, also after its process was lost."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import ray
from helpers.trials import DIGITS, drive

from automl.cluster.measuring import MeasurerClient, MeasurerHandle
from automl.cluster.portable_space import PortableSpace
from automl.data import dataset
from automl.errors import UserError
from automl.measure.measurement import Reference
from automl.models.mlp import MLP
from automl.space import space_file
from automl.space.space import TrialConfig
from automl.training.loop import Train

SPACE = PortableSpace(space_file.find("digits").read_text(), {}, ".")


@pytest.fixture
def made(store, tmp_path):
    """An exported file, and the rows that it is measured on."""
    config = TrialConfig(DIGITS, MLP((16,)), (Train(epochs=2),))
    _, result = drive(config, store)
    return store.read(result.key, "model.onnx"), dataset.load(DIGITS, 0, tmp_path).validation


def test_a_lost_measurer_is_made_anew_and_measures_against_the_same_file(ray_session, made):
    file, rows = made
    measure = MeasurerClient(MeasurerHandle.of(SPACE, Reference(file, 7.0)))
    first = measure(file, rows)
    ray.kill(measure.handle.actor, no_restart=False)
    again = measure(file, rows)
    session = onnxruntime.InferenceSession(file)
    logits = session.run(["logits"], {"input": rows.inputs.astype(np.float32)})[0]
    accuracy = np.mean(logits.argmax(1) == rows.targets)
    assert first.quality["accuracy"] == again.quality["accuracy"] == accuracy
    for measured in (first, again):
        assert measured.latency_ms == pytest.approx(7.0, rel=0.5), "it is its own reference"


def test_the_measurer_loads_the_space_file_once_and_before_it_measures(ray_session, made, tmp_path):
    file, rows = made
    loads = tmp_path / "loads"
    text = SPACE.text + f"\nwith open({str(loads)!r}, 'a') as loads:\n    loads.write('x')\n"
    handle, _ = MeasurerHandle.calibrated(replace(SPACE, text=text), file, rows)
    assert not loads.exists(), "calibrating takes no metric of the space's own"
    measure = MeasurerClient(handle)
    for _ in range(2):
        measure(file, rows)
    assert loads.read_text() == "x"


def test_a_broken_space_file_raises_at_each_measurement(ray_session, made):
    file, rows = made
    broken = replace(SPACE, text=SPACE.text + "\nraise RuntimeError('not here')\n")
    handle, measurement = MeasurerHandle.calibrated(broken, file, rows)
    assert measurement.size_bytes == len(file)
    measure = MeasurerClient(handle)
    for _ in range(2):
        with pytest.raises(UserError, match="RuntimeError: not here") as raised:
            measure(file, rows)
        assert "\n" not in str(raised.value)
