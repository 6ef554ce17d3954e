"""A model taken away, run without automl, and measured."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime
from helpers.command import automl, object_of
from sklearn.datasets import load_digits


def test_an_exported_model_runs_with_onnxruntime_alone(searched, tmp_path):
    home = searched.home.path
    out = object_of(
        automl("export", "digits", "--out", "out", "--json", "--home", home, cwd=tmp_path)
    )
    folder = tmp_path / "out"
    assert out["files"] == {path.name: path.stat().st_size for path in folder.iterdir()}
    measured = json.loads((folder / "measurement.json").read_text())
    assert measured == out["measurement"]
    digits = load_digits()
    rows = measured["test_rows"]
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    (logits,) = session.run(["logits"], {"input": digits.data[rows].astype(np.float32)})
    assert np.mean(logits.argmax(1) == digits.target[rows]) == measured["test"]["accuracy"]
    validation = next(r for r in searched.members() if r.trial_id == out["trial_id"])
    assert measured["validation"] == validation.values
    card = (folder / "README.md").read_text()
    code = card.split("```python\n")[1].split("```")[0]
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


def test_the_knee_and_what_is_preferred_are_exported(searched, here):
    at = ("--out", "out", "--json", "--home", searched.home.path)
    prefer = ("--prefer", "accuracy within 100%, size_bytes")
    smallest = object_of(here("export", "digits", *prefer, *at))
    members = {record.trial_id: record.values for record in searched.members()}
    least = min(values["size_bytes"] for values in members.values())
    assert members[smallest["trial_id"]]["size_bytes"] == least
    assert object_of(here("export", "digits", "--knee", *at))["trial_id"] in members


def test_an_export_tells_each_figure_by_its_name(searched, here, tmp_path):
    said = here("export", "digits", "--out", "out", "--home", searched.home.path).stdout
    test = json.loads((tmp_path / "out/measurement.json").read_text())["test"]
    (told,) = [line for line in said.splitlines() if line.startswith("on test rows: ")]
    assert told.startswith(f"on test rows: accuracy {test['accuracy']:.4f}, ")
    assert told.endswith(f", {test['latency_ms']:.4f} ms a row")


def test_one_file_is_measured(searched, here, tmp_path):
    here("export", "digits", "--out", "out", "--home", searched.home.path)
    timed = object_of(automl("measure", "out/model.onnx", "--json", cwd=tmp_path))
    [figures] = timed["files"]
    assert figures["size_bytes"] == (tmp_path / "out/model.onnx").stat().st_size
    assert figures["latency_ms"] > 0
