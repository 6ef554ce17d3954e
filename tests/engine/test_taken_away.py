"""A model taken away in other formats and with other operators."""

import io

import numpy as np
import onnx
import pytest
import torch
from helpers.trials import load, study_of

from automl.errors import UserError
from automl.store import Store


def test_a_torch_program_answers_as_the_network_and_is_the_same_each_time(studied, tmp_path):
    record = studied.members()[0]
    first, second = (
        studied.export(tmp_path / name, trial=record.trial_id, formats=["pt2"]) for name in "ab"
    )
    file = (tmp_path / "a" / "model.pt2").read_bytes()
    assert file == (tmp_path / "b" / "model.pt2").read_bytes()
    assert first.files["model.pt2"] == second.files["model.pt2"] == len(file)
    assert any(
        note.startswith("model.pt2 gives the network's class on 100") for note in first.notes
    )
    rows = load(studied.config(record).dataset).validation.inputs[:5].astype(np.float32)
    module = torch.export.load(io.BytesIO(file)).module()
    assert module(torch.from_numpy(rows)).shape == (5, 10)
    assert "model.pt2" in (tmp_path / "a" / "README.md").read_text()


def test_a_file_is_written_with_the_operators_that_are_asked_for(studied, tmp_path):
    studied.export(tmp_path, opset=18)
    (version,) = onnx.load(tmp_path / "model.onnx").opset_import
    assert version.version == 18


@pytest.mark.parametrize(
    ("opset", "words"),
    [(13, "--opset 13: the file of trial .* has no equal"), (3, "--opset 3: give one from 13")],
)
def test_operators_that_cannot_be_are_refused_before_anything_is_written(
    studied, tmp_path, opset, words
):
    with pytest.raises(UserError, match=words):
        studied.export(tmp_path / "out", opset=opset)
    assert not (tmp_path / "out").exists()


def test_weights_that_are_gone_are_told(studied, tmp_path, monkeypatch):
    read = Store.read
    monkeypatch.setattr(
        Store, "read", lambda self, key, name: None if "weights" in name else read(self, key, name)
    )
    with pytest.raises(UserError, match=r"weights of trial .* are no longer in the store"):
        studied.export(tmp_path / "out", formats=["pt2"])


FLIPS = """
from automl import AverageFlips, MLP, Sklearn, Space, Train, TrialConfig

recipe = (Train(epochs=1), AverageFlips())
space = Space(TrialConfig(Sklearn("digits"), MLP((8,)), recipe), ("accuracy", "size_bytes"))
"""


def test_the_card_tells_that_answers_are_means_over_mirror_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flips.py").write_text(FLIPS)
    study_of("flips.py", 1, {}, tmp_path / "home").export(tmp_path / "out")
    assert "mean over it and its mirror image" in (tmp_path / "out" / "README.md").read_text()
