"""What an export holds, beside what tests/cli/test_take.py reads off the command."""

import re
import subprocess
import sys

import pytest
from helpers.datasets import write_csv
from helpers.pretrained import write_tokenizer
from helpers.trials import study_of

from automl.quality import METRICS, Accuracy

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
    assert "the ids that `tokenizer.json` gives, int64 of shape (batch, 8)" in card
    code = re.search("```python\n(.*?)```", card, re.DOTALL)[1]
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True, check=True)
    assert ran.stdout in ("[0]\n", "[1]\n")
