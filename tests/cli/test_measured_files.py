"""Wishes of `automl measure` that do not go together, and what it prints and draws."""

from pathlib import Path

import pytest
from helpers.command import refused
from helpers.datasets import write_csv
from helpers.graphs import file_of, node, ones
from helpers.trials import study_of

WINE = """
from automl import MLP, Sklearn, Space, Train, TrialConfig

space = Space(TrialConfig(Sklearn("wine"), MLP((8,)), (Train(epochs=1),)))
"""


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--data", "a.csv", "--search", "mine"), "--data and --search exclude one another"),
        (("--target", "y"), "--target names a column of --data"),
        (("--picture", "a.svg"), "name its search with --search"),
        (("--data", "a.csv", "--batch", 8), "leave --provider, --threads, --batch"),
    ],
)
def test_wishes_that_do_not_go_together_are_refused(options, sentence, here):
    refused(here("measure", "model.onnx", *options), sentence)


def test_the_quality_on_data_is_printed(here, tmp_path):
    rows = [(row % 7, row % 5, ("no", "yes")[row % 2]) for row in range(40)]
    write_csv(tmp_path / "a.csv", ("first", "second", "bought"), rows)
    file = file_of([node("MatMul", "x w", "y")], {"x": ("batch", 2)}, ["y"], w=ones(2, 2))
    (tmp_path / "model.onnx").write_bytes(file)
    printed = here("measure", "model.onnx", "--data", "a.csv", "--target", "bought").stdout
    assert "accuracy" in printed and "0.5000" in printed
    assert "measured on 40 rows: all rows of a.csv" in printed


def test_files_of_one_name_in_two_folders_are_both_drawn(here, tmp_path):
    (tmp_path / "wine.py").write_text(WINE)
    home = tmp_path / "home"
    study_of(str(tmp_path / "wine.py"), 1, {}, home)
    file = file_of([node("MatMul", "x w", "y")], {"x": ("batch", 13)}, ["y"], w=ones(13, 3))
    names = ["big/model.onnx", "small/model.onnx"]
    for name in names:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(file)
    options = ("--search", "wine", "--home", home, "--picture", "front.svg")
    assert here("measure", *names, *options).returncode == 0
    picture = Path(tmp_path, "front.svg").read_text()
    assert all(f"<!-- {name} -->" in picture for name in names)
