"""What an export holds, beside what tests/cli/test_take.py reads off the command."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from helpers.datasets import mixed_table, write_csv
from helpers.pretrained import write_tokenizer
from helpers.trials import study_of

from automl.engine import export_dir
from automl.engine.export_dir import Taken
from automl.quality import METRICS, Accuracy
from automl.recipe import LayerOutcome
from automl.study import selection
from automl.trial import layer_outcomes

FILMS = """
from automl import ConvNet1d, Space, Text, Train, TrialConfig

text = Text("films.csv", length=8, tokenizer="tokenizer")
space = Space(TrialConfig(text, ConvNet1d((8,)), (Train(epochs=1),)), ("accuracy", "size_bytes"))
"""


def test_a_metric_of_another_space_is_no_figure_of_an_export(studied, tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "of_another_space", Accuracy())
    exported = studied.export(tmp_path)
    assert "accuracy" in exported.figures.intervals
    assert "of_another_space" not in exported.figures.test
    assert "of_another_space" not in (tmp_path / "README.md").read_text()


def test_an_export_brings_the_tokenizer_that_makes_its_rows(tmp_path, monkeypatch):
    pytest.importorskip("tokenizers")
    monkeypatch.chdir(tmp_path)
    rows = [(f"a {('bad', 'good')[row % 2]} film", row % 2) for row in range(20)]
    write_csv(tmp_path / "films.csv", ("text", "label"), rows)
    write_tokenizer(tmp_path / "tokenizer")
    (tmp_path / "films.py").write_text(FILMS)
    exported = study_of("films.py", 1, {}, tmp_path / "home").export(tmp_path / "out")
    assert "tokenizer.json" in exported.files
    card = (tmp_path / "out" / "README.md").read_text()
    assert "the ids that `tokenizer.json` gives as int64 of shape (batch, 8)" in card
    code = re.search("```python\n(.*?)```", card, re.DOTALL)[1]
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True, check=True)
    assert ran.stdout in ("[0]\n", "[1]\n")


TABLE = """
from automl import MLP, Space, Table, Train, TrialConfig

table = Table("table.csv", "bought")
space = Space(TrialConfig(table, MLP((8,)), (Train(epochs=1),)), ("accuracy", "size_bytes"))
"""


def test_an_export_of_a_table_brings_a_file_of_named_columns_with_figures_of_its_own(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    mixed_table(tmp_path / "table.csv")
    (tmp_path / "table.py").write_text(TABLE)
    exported = study_of("table.py", 1, {}, tmp_path / "home").export(tmp_path / "out")
    measured = json.loads((tmp_path / "out" / "measurement.json").read_text())
    own = measured["named_columns.onnx"]
    assert own["size_bytes"] == exported.files["named_columns.onnx"]
    assert measured["test"]["size_bytes"] == exported.files["model.onnx"] < own["size_bytes"]
    assert own["accuracy"] == measured["test"]["accuracy"]
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"It has {own['size_bytes']} bytes where `model.onnx` has" in card
    for code in re.findall("```python\n(.*?)```", card, re.DOTALL):
        command = [sys.executable, "-c", code]
        ran = subprocess.run(
            command, cwd=tmp_path / "out", capture_output=True, text=True, check=True
        )
        assert ran.stdout in ("[0]\n", "[1]\n")
    command = [sys.executable, "predict.py", tmp_path / "table.csv", "--out", "a.csv"]
    subprocess.run(command, cwd=tmp_path / "out", check=True)
    assert (tmp_path / "out" / "a.csv").read_text().count("\n") == 21


def test_an_export_tells_what_became_of_each_layer(studied, tmp_path):
    record = selection.choose(studied.study, knee=True)
    file = studied.home.path / "store" / record.result.key / "model.onnx"
    outcomes = {
        "quantize": (
            LayerOutcome("lstm.weight_ih_l0", 12_000, reason="a | of its user's"),
            LayerOutcome("head.weight", 4_000, "8 bits"),
        )
    }
    notes = layer_outcomes.notes(outcomes, ("not compiled",), None)
    told = replace(record, result=replace(record.result, outcomes=outcomes, notes=notes))
    place = (studied.config(record), studied.home.cache, Taken(file.read_bytes()), tmp_path)
    exported = export_dir.export(studied.study, told, *place)
    layers = json.loads((tmp_path / "measurement.json").read_text())["layers"]
    assert layers == exported.as_json()["measurement"]["layers"] == layer_outcomes.as_json(outcomes)
    card = (tmp_path / "README.md").read_text()
    title, _, classes, _, first, _, second, *_ = card.splitlines()
    assert (title[:2], classes[:10]) == ("# ", "Classifies")
    assert first.startswith("Note: quantize left 75 % of the weights as they were: lstm.weight_ih")
    assert second == "Note: not compiled."
    assert card.endswith(
        "| tensor | weights | share | what became of it |\n"
        "|---|--:|--:|---|\n"
        "| `lstm.weight_ih_l0` | 12,000 | 75 % | stays (a \\| of its user's) |\n"
        "| `head.weight` | 4,000 | 25 % | 8 bits |\n"
    )


def test_an_export_of_a_trial_that_tells_nothing_has_no_table_of_layers(studied, tmp_path):
    record = selection.choose(studied.study, knee=True)
    silent = replace(record, result=replace(record.result, outcomes={}, notes=()))
    file = studied.home.path / "store" / record.result.key / "model.onnx"
    place = (studied.config(record), studied.home.cache, Taken(file.read_bytes()), tmp_path)
    export_dir.export(studied.study, silent, *place)
    card = (tmp_path / "README.md").read_text()
    assert "what became of" not in card and "Note:" not in card
