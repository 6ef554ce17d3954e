"""Files of a search timed on another machine, which may be away, over a real SSH server."""

import sys

import numpy as np
import pytest

from automl.errors import UserError
from automl.export import onnx
from automl.measure.device import Device, DeviceTimer, device
from automl.measure.latency import Estimate, Reference, alone
from automl.measure.machine import kind_of, machine
from automl.measure.timed_elsewhere import Place, Unreachable
from automl.models.mlp import MLP
from automl.runtimes.onnx import OnnxRuntime
from automl.space.runtime import Runtime

ROW = np.zeros((1, 64), np.float32)


@pytest.fixture
def file(build, context):
    return onnx.export(build(MLP((16,))), context.data)


def test_a_device_is_asked_for_its_runtimes_and_its_kind(device_host):
    there = Place(sys.executable, device_host)
    found = device(there, [OnnxRuntime(), OnnxRuntime(threads=2)])
    assert found == Device(there, kind_of(machine()))
    with pytest.raises(UserError, match=r"device: onnxruntime .* here has no provider CoreML"):
        device(there, [OnnxRuntime(), OnnxRuntime("CoreML")])


def test_a_file_is_timed_there_in_turn_with_the_reference(device_host, file):
    timer = DeviceTimer(Device(Place(sys.executable, device_host), "a kind"))
    timing = timer(file, ROW, Reference(file, 1000.0, 500.0, OnnxRuntime(batch=2)))
    assert timing.latency.value == pytest.approx(1000.0, rel=0.5), "it is its own reference"
    assert timing.machine == kind_of(machine())
    known = Estimate(3.0, 0.1)
    assert timer(file, ROW, Reference(file, 1000.0, 500.0), known).latency is known


def test_a_device_that_is_away_is_asked_once_until_it_is_back(file):
    timer = DeviceTimer(Device(Place(host="nobody@no.such.host.invalid"), "a kind"))
    timer.is_away = True
    with pytest.raises(Unreachable, match=r"no\.such\.host\.invalid"):
        timer(file, ROW, alone())
    timer.place = Place(sys.executable)
    assert timer(file, ROW, alone()).latency.value > 0
    assert not timer.is_away


def test_a_runtime_that_is_none_of_onnxruntime_has_no_device():
    with pytest.raises(UserError, match="runtime is measured on the machines of the search alone"):
        device(Place(sys.executable), [Runtime()])
