"""A search whose latency a device takes, over a real SSH server."""

import subprocess
import sys

import pytest
from helpers.search_process import AUTOML
from helpers.ssh_server import device_host  # noqa: F401

from automl.engine import api
from automl.engine.searches import open_study
from automl.errors import UserError
from automl.home import Home
from automl.measure.machine import kind_of, machine

SPACE = """
from automl import MLP, Int, Sklearn, Space, Train, TrialConfig

space = Space(TrialConfig(Sklearn("digits"), MLP((Int(8, 64),)), (Train(epochs=1),)))
"""


def test_a_device_takes_the_latency_of_a_search_and_of_its_resume(
    device_host,  # noqa: F811
    tmp_path,
):
    space, home = tmp_path / "own.py", tmp_path / "home"
    space.write_text(SPACE)
    there = "--measure-over", f"ssh:{device_host}", "--measure-python", sys.executable
    few = "--trials", "1", "--concurrency", "1", "--refit-minutes", "0", "--home", str(home)
    # A Ray of its own: what a Ray that runs already finds by `ssh` is another program.
    subprocess.run([AUTOML, "search", str(space), *there, *few], check=True, capture_output=True)
    begun = open_study(Home(home), "own")
    [record] = begun.records()
    assert record.measurement.machine == begun.settings.measured_on == kind_of(machine())
    assert record.values["latency_ms"] > 0
    with pytest.raises(UserError, match=r"no\.such\.host\.invalid: ssh: "):
        api.resume("own", trials=2, measure_over="ssh:no.such.host.invalid", home=home)
    attributes = begun.attribute("settings")
    begun.set_attribute("settings", {**attributes, "measured_on": "Z80, onnxruntime 1"})
    with pytest.raises(UserError, match="was measured on Z80, onnxruntime 1, and here is "):
        api.resume("own", trials=2, home=home)
