"""Every shipped space: checked, and searched for six trials."""

import os
from pathlib import Path

import pytest

from automl.cli import check
from automl.engine import api
from automl.home import Home

ROOT = Path(__file__).parents[1]
FASHION_MNIST = os.environ.get("FASHION_MNIST", "")
"""The folder with the four IDX files, where there is one."""


def shipped():
    for path in sorted((ROOT / "automl" / "search_spaces").glob("*.py")):
        absent = path.stem == "fashion_mnist" and not FASHION_MNIST
        why = pytest.mark.skipif(absent, reason="$FASHION_MNIST names no folder of IDX files")
        if path.stem != "__init__":
            yield pytest.param(path.stem, marks=why)


def sets(name):
    """One epoch is enough of a set as large as Fashion-MNIST."""
    if name != "fashion_mnist":
        return {}
    steps = {f"recipe.{step}.epochs": "1" for step in ("train", "fine_tune")}
    return {"dataset.root": FASHION_MNIST, **steps}


@pytest.mark.parametrize("name", [*shipped()])
def test_it_can_be_searched(name, tmp_path):
    report = check.examine(name, {"sets": sets(name)}, Home(tmp_path), run=False)
    assert report.space == name
    assert report.trial_memory_bytes > report.largest_model_bytes > 1000


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", [*shipped()])
def test_six_trials_of_it_end_and_none_fails(name, ray_session, tmp_path):
    found = api.search(name, trials=6, sets=sets(name), home=tmp_path / "home")
    results = [record.result for record in found.study.records()]
    assert len(results) == 6
    assert {result.status for result in results} <= {"complete", "stopped", "rejected"}
    assert found.members()
    exported = found.export(tmp_path / "out")
    assert (tmp_path / "out/model.onnx").stat().st_size == exported.files["model.onnx"]
