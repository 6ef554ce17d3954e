"""A search that also measures on a runtime which takes a file of its own format."""

import pytest
from helpers.undelivered import undelivered

from automl.engine import api
from automl.errors import UserError
from automl.runtimes.own_formats import ExecuTorch

NAMES = ("executorch/size_bytes", "executorch/latency_ms")
SPACE = f"""
from automl import MLP, ExecuTorch, Int, OnnxRuntime, Sklearn, Space, Train, TrialConfig

space = Space(
    TrialConfig(Sklearn("digits"), MLP((Int(8, 64),)), (Train(epochs=1),)),
    objectives=("accuracy", "size_bytes", "latency_ms", *{NAMES}),
    runtimes=(OnnxRuntime(), ExecuTorch()),
)
"""


def test_a_trial_is_measured_on_executorch_too(ray_session, tmp_path):
    try:
        ExecuTorch().check_here()
    except UserError as missing:
        pytest.skip(str(missing))
    space, home = tmp_path / "own.py", tmp_path / "home"
    space.write_text(SPACE)
    with undelivered():
        found = api.search(space, trials=1, refit_minutes=0, home=home)
    [record] = found.study.records()
    assert record.is_complete
    assert record.values["executorch/size_bytes"] > record.values["size_bytes"] / 2
    assert record.values["executorch/load_ms"] > 0
    assert record.uncertainty["executorch/latency_ms"] > 0
    assert "executorch/size_bytes" not in record.uncertainty, "it is exact"
    there = found.study.on_runtime("executorch").settings
    assert there.objectives == ("accuracy", "size_bytes", *NAMES)
