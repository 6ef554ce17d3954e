"""What an export holds, beside what tests/cli/test_take.py reads off the command."""

import json
import re
import resource
import subprocess
import sys
from dataclasses import replace

import pytest
from helpers.datasets import mixed_table, write_csv
from helpers.pretrained import write_tokenizer
from helpers.trials import study_of

from automl.cli.program import main
from automl.config import encode
from automl.engine import export_dir, trial_file
from automl.engine.export_costs import Costs, LayerCost
from automl.engine.taken import Taken
from automl.errors import UserError
from automl.quality import METRICS, Accuracy
from automl.recipe import LayerOutcome
from automl.runtimes.onnx import OnnxRuntime
from automl.study import selection
from automl.trial import layer_outcomes

FILMS = """
from automl import ConvNet1d, Space, Text, Train, TrialConfig

text = Text("films.csv", length=8, tokenizer="tokenizer")
space = Space(TrialConfig(text, ConvNet1d((8,)), (Train(epochs=1),)), ("accuracy", "size_bytes"))
"""

COSTS = Costs(1234, 5678, {"head.weight": LayerCost(0.25, 0.5)}, {"head.weight": "3"})


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


def test_a_time_is_told_as_that_of_a_call_on_the_first_runtime(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    mixed_table(tmp_path / "table.csv")
    (tmp_path / "table.py").write_text(TABLE)
    study = study_of("table.py", 1, {}, tmp_path / "home").study
    runtimes = (OnnxRuntime(threads=2, batch=1000), OnnxRuntime())
    study.set_attribute("settings", encode(replace(study.settings, runtimes=runtimes)))
    monkeypatch.setattr(
        sys, "argv", ["automl", "export", "table", "--out", "out", "--home", "home"]
    )
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().out.endswith(" ms for 1000 rows a call, 2 threads\n")
    measured = json.loads((tmp_path / "out" / "measurement.json").read_text())
    assert measured["latency_of"] == "1000 rows a call, 2 threads"
    ours, named = (of["latency_ms"] for of in (measured["test"], measured["named_columns.onnx"]))
    assert named > ours, "it does as much and more, in a call of as many rows"
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"{ours:.4f} ms for 1000 rows a call, 2 threads, " in card
    assert "one row" not in card.split("| work |")[0]
    assert f"{named:.4f} ms\nwhere that takes {ours:.4f}" in card


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
    place = (studied.config(record), studied.home, Taken(file.read_bytes(), COSTS), tmp_path)
    exported = export_dir.export(studied.study, told, *place)
    layers = json.loads((tmp_path / "measurement.json").read_text())["layers"]
    assert layers == exported.as_json()["measurement"]["layers"] == layer_outcomes.as_json(outcomes)
    card = (tmp_path / "README.md").read_text()
    title, _, classes, _, first, _, second, *_ = card.splitlines()
    assert (title[:2], classes[:10]) == ("# ", "Classifies")
    assert first.startswith("Note: quantize left 75 % of the weights as they were: lstm.weight_ih")
    assert second == "Note: not compiled."
    assert card.endswith(
        "| tensor | weights | share | bytes | time | what became of it |\n"
        "|---|--:|--:|--:|--:|---|\n"
        "| `lstm.weight_ih_l0` | 12,000 | 75 % | – | – | stays (a \\| of its user's) |\n"
        "| `head.weight` | 4,000 | 25 % | 25.0% | 50.0% | 8 bits |\n"
    )


def test_an_export_of_a_trial_that_tells_nothing_tells_what_its_layers_cost(studied, tmp_path):
    record = selection.choose(studied.study, knee=True)
    silent = replace(record, result=replace(record.result, outcomes={}, notes=()))
    file = studied.home.path / "store" / record.result.key / "model.onnx"
    place = (studied.config(record), studied.home, Taken(file.read_bytes(), COSTS), tmp_path)
    export_dir.export(studied.study, silent, *place)
    card = (tmp_path / "README.md").read_text()
    assert "what became of" not in card and "Note:" not in card
    assert card.endswith(
        "| tensor | bytes | time |\n|---|--:|--:|\n| `head.weight` | 25.0% | 50.0% |\n"
    )
    assert "licence: CC BY 4.0" in card and "1,234 multiply-accumulates" in card


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_choice_exported_twice_is_the_same_to_the_byte(studied, tmp_path):
    first, second = (studied.export(tmp_path / name, knee=True) for name in ("first", "second"))
    assert files_in(tmp_path / "first") == files_in(tmp_path / "second")
    assert first.as_json()["measurement"] == second.as_json()["measurement"]
    costs = first.measurement["costs"]
    assert set(costs["layers"]) == set(costs["weights_in_file"]) != set()


def test_figures_kept_for_one_search_are_not_those_of_another(studied, tmp_path):
    record = selection.choose(studied.study, knee=True)
    file, made = trial_file.trial_file(record, studied.home), []

    def kept(*asked):
        return trial_file.kept(
            record, studied.home, file, "of", lambda: made.append(1) or {}, *asked
        )

    for asked in (["metrics"], ["metrics"], ["others"], [], []):
        kept(*asked)
    assert len(made) == 3


def test_an_export_has_the_figures_of_its_own_search(studied, tmp_path):
    record = selection.choose(studied.study, knee=True)
    fewer = {n: value for n, value in record.values.items() if n != "macro_f1"}
    measurement = replace(record.measurement, quality={"accuracy": fewer["accuracy"]})
    other = replace(record, result=replace(record.result, measurement=measurement))
    taken = Taken(trial_file.trial_file(record, studied.home), COSTS)
    told = [
        export_dir.export(
            studied.study, one, studied.config(record), studied.home, taken, tmp_path / name
        ).figures.intervals
        for name, one in (("all", record), ("fewer", other), ("again", record))
    ]
    assert "macro_f1" in told[0] and list(told[1]) == ["accuracy"]
    assert told[2] == told[0]


def test_an_earlier_export_is_replaced_and_other_folders_are_left_alone(studied, tmp_path):
    studied.export(tmp_path / "out", knee=True)
    before = set(files_in(tmp_path / "out"))
    (tmp_path / "out" / "notes.txt").write_text("mine")
    told = json.loads((tmp_path / "out" / "measurement.json").read_text())
    (tmp_path / "out" / "measurement.json").write_text(
        json.dumps({**told, "files": ["old.bin", "../kept"]})
    )
    (tmp_path / "out" / "old.bin").write_text("of an earlier export")
    (tmp_path / "kept").write_text("of somebody else")
    studied.export(tmp_path / "out", knee=True)
    assert set(files_in(tmp_path / "out")) == {*before, "notes.txt"}
    assert (tmp_path / "kept").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match=r"other files, such as thesis\.tex; name a folder that"):
        studied.export(tmp_path / "mine", knee=True)


def test_an_export_that_a_full_disk_cut_short_can_be_made_again(studied, tmp_path):
    studied.export(tmp_path / "whole", knee=True)
    record = selection.choose(studied.study, knee=True)
    taken = Taken(trial_file.trial_file(record, studied.home), COSTS)

    def export():
        place = (studied.config(record), studied.home, taken, tmp_path / "out")
        export_dir.export(studied.study, record, *place)

    for before in ({}, files_in(tmp_path / "whole")):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(taken.file) // 2, hard))
        try:
            with pytest.raises(UserError, match=r"cannot write to --out .*out: File too large"):
                export()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert files_in(tmp_path / "out") == before
        studied.export(tmp_path / "out", knee=True)
        assert files_in(tmp_path / "out") == files_in(tmp_path / "whole")


def test_a_file_that_has_changed_since_its_trial_is_not_exported(studied, tmp_path):
    record = selection.choose(studied.study, knee=True)
    file = studied.home.path / "store" / record.result.key / "model.onnx"
    kept = file.read_bytes()
    file.write_bytes(kept + b"\n")
    try:
        with pytest.raises(UserError, match="has changed since it was measured"):
            studied.export(tmp_path / "out", knee=True)
    finally:
        file.write_bytes(kept)
    assert not (tmp_path / "out").exists()


def test_a_file_that_answers_otherwise_than_its_network_is_not_exported(studied, tmp_path):
    members = studied.members()
    mine, other = members[0], members[-1]
    config = studied.config(mine)
    file = studied.home.path / "store" / other.result.key / "model.onnx"
    network = trial_file.trial_network(mine, studied.home)
    with pytest.raises(UserError, match="does not pass the gate any more: it "):
        trial_file.check_again(mine, config, studied.home, file.read_bytes(), network)
