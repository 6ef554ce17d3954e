"""What a worker that waits for trials has loaded, and what it must not load."""

import os
import subprocess
import sys

import pytest

from automl.cluster.ray_environment import LIGHT

NOT_FOR_TRIALS = {
    *("mlflow", "optuna", "sklearn", "scipy", "plotly", "matplotlib", "jinja2", "sqlalchemy"),
    *("ray.train.torch", "torch._dynamo", "torch._inductor", "torch.distributed.tensor"),
    *("transformers", "torchvision", "timm", "fastapi", "typer"),
}
"""Each takes from a tenth of a second to some seconds of every slot's start."""


@pytest.mark.parametrize("is_light", [False, True], ids=["of trials", "light"])
def test_a_worker_loads_what_trials_need_and_no_more(is_light, tmp_path):
    code = "import automl.cluster.preload, sys; print(*sys.modules)"
    environment = {**os.environ, **({LIGHT: "1"} if is_light else {})}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = set(done.stdout.split())
    assert not loaded & NOT_FOR_TRIALS
    needed = {"torch", "onnxscript", "ray.tune", "automl.trial.trial"}
    assert loaded & needed == (set() if is_light else needed)
