"""The command as a user meets it: what it prints, and what it says when it cannot."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from sklearn.datasets import load_digits

from automl.cli.app import main

AUTOML = str(Path(sys.executable).with_name("automl"))
GOOD = """
from automl import Sklearn
from automl import MLP
from automl import Float, Int, Space, TrialConfig
from automl import Train
"""
SPACE = 'space = Space(TrialConfig(Sklearn("digits"), MLP((16,)), {recipe}){more})'


def automl(*arguments, cwd, **environment):
    return subprocess.run(
        [AUTOML, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """The same command in this process: quick, for what ends before any work."""

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["automl", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, end.value.code, printed.out, printed.err)

    return run


def object_of(done):
    """The one object on standard output."""
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    return json.loads(line)


def refused(done, sentence):
    """Exit code 2, one sentence, no traceback."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert sentence in done.stderr.splitlines()[-1]


def test_the_front_as_object_table_csv_and_page(searched, tmp_path):
    at = ("--home", searched.home.path)
    front = object_of(automl("front", "digits", "--json", *at, cwd=tmp_path))
    assert front == searched.summary().as_json()
    assert front["objectives"] == {"accuracy": "max", "size_bytes": "min", "latency_ms": "min"}
    assert sum(front["trials"].values()) == len(searched.study.records())
    table = automl("front", "digits", *at, cwd=tmp_path).stdout
    assert all(member["trial_id"] in table for member in front["front"])
    assert "●" in table and "automl export digits" in table
    lines = automl("front", "digits", "--csv", *at, cwd=tmp_path).stdout.splitlines()
    assert len(lines) == 1 + len(front["front"])
    automl("front", "digits", "--html", "page.html", *at, cwd=tmp_path)
    assert "Plotly.newPlot" in (tmp_path / "page.html").read_text()


def test_the_front_on_test_rows(searched, tmp_path):
    done = automl("front", "digits", "--test", "--json", "--home", searched.home.path, cwd=tmp_path)
    for member in object_of(done)["front"]:
        assert member["test"]["test"]["size_bytes"] == member["measurement"]["size_bytes"]
        # Two samples of 359 rows each: more apart than this they would not be of one model.
        validation = member["measurement"]["accuracy"]
        assert member["test"]["test"]["accuracy"] == pytest.approx(validation, abs=0.15)


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
    validation = next(r for r in searched.front() if r.trial_id == out["trial_id"])
    assert measured["validation"] == validation.values
    card = (folder / "README.md").read_text()
    code = card.split("```python\n")[1].split("```")[0]
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


def test_sync_says_that_nothing_is_left(searched, tmp_path):
    at = ("digits", "--home", searched.home.path)
    assert automl("sync", *at, cwd=tmp_path).stdout == "MLflow has all of digits\n"
    synced = object_of(automl("sync", *at, "--json", cwd=tmp_path))
    assert synced == {"search": "digits", "delivered": True}
    away = automl("sync", *at, "--tracking-uri", "http://127.0.0.1:1", cwd=tmp_path)
    refused(away, "no MLflow server answers at --tracking-uri http://127.0.0.1:1")


def test_the_knee_and_what_is_preferred_are_exported(searched, tmp_path):
    at = ("--out", "out", "--json", "--home", searched.home.path)
    prefer = ("--prefer", "accuracy within 100%, size_bytes")
    smallest = object_of(automl("export", "digits", *prefer, *at, cwd=tmp_path))
    members = {record.trial_id: record.values for record in searched.front()}
    least = min(values["size_bytes"] for values in members.values())
    assert members[smallest["trial_id"]]["size_bytes"] == least
    assert object_of(automl("export", "digits", "--knee", *at, cwd=tmp_path))["trial_id"] in members


def test_one_file_is_measured(searched, tmp_path):
    automl("export", "digits", "--out", "out", "--home", searched.home.path, cwd=tmp_path)
    figures = object_of(automl("measure", "out/model.onnx", "--json", cwd=tmp_path))
    assert figures["size_bytes"] == (tmp_path / "out/model.onnx").stat().st_size
    assert figures["latency_ms"] > 0


def test_list_and_status(searched, tmp_path):
    at = ("--json", "--home", searched.home.path)
    row = object_of(automl("status", "digits", *at, cwd=tmp_path))
    assert row in object_of(automl("list", *at, cwd=tmp_path))["searches"]
    assert (row["state"], row["unfinished"]) == ("finished", 0)
    stopped = object_of(automl("stop", "digits", *at, cwd=tmp_path))
    assert stopped == {"search": "digits", "stopping": False}


def test_check_tells_of_every_parameter(tmp_path):
    report = object_of(automl("check", "digits", "--run", "--json", cwd=tmp_path))
    assert report["parameters"]["model"] == "MLP | ConvNet"
    assert report["trial"].startswith(("complete", "rejected"))


def test_doctor_tells_the_plan(tmp_path):
    findings = object_of(automl("doctor", "--json", cwd=tmp_path))
    cpus = os.cpu_count()
    held = f"trials that each node holds: {cpus} on {cpus} CPUs"
    assert findings["plan"] == f"{cpus} trials at once, each with 1 CPU; {held}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("raise OSError('no such disk')", "bad.py, line 6: OSError: no such disk"),
        ("space = 3", "bad.py builds 0 Space objects"),
        (SPACE.format(recipe="(Train(),)", more=', ("speed",)'), "unknown objective 'speed'"),
        ("width = Int(64, 8)", "line 6: Int(64, 8): low is above high"),
        (
            SPACE.format(recipe="(Train(), Train())", more=""),
            "two steps of the recipe are labelled",
        ),
    ],
)
def test_a_bad_space_file_is_one_sentence_and_leaves_nothing(text, sentence, tmp_path, here):
    (tmp_path / "bad.py").write_text(GOOD + text)
    refused(here("search", "bad.py", "--trials", 1), sentence)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.py"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("search", "nowhere.py"), "there is no space file nowhere.py"),
        (("search", "digits", "--trials", 0), "--trials 0: a budget must be above zero"),
        (("search", "digits", "--minutes", -1), "a budget must be above zero"),
        (("search", "digits", "--gpu-hours", "nan"), "--gpu-hours nan: a budget must be above"),
        (("search", "digits", "--gpu-hours", 2), "give --gpus-per-trial too"),
        (("search", "digits", "--patience", 0), "--patience 0: a budget must be above zero"),
        (("search", "digits", "--set", "model"), "write PATH=VALUE"),
        (("search", "digits", "--set", "recipe.train.epoch=3"), "did you mean"),
        (("search", "digits", "--sampler", "tpee"), "did you mean 'tpe'"),
        (("search", "digits", "--warm-start", "nobody"), "has no search"),
        (
            ("search", "digits", "--initial-points", "no.json"),
            "--initial-points no.json cannot be read: [Errno 2]",
        ),
        (("search", "digits", "--name", "a/b"), "cannot name a study"),
        (("search", "digits", "--parallelism", "Magic"), "unknown parallelism 'Magic'"),
        (("search", "digits", "--concurrency", 0), "must be above zero"),
        (("search", "digits", "--tracking-uri", "file:./runs"), "neither an http(s) address"),
        (("check", "digitz"), "did you mean 'digits'"),
        (("front", "nobody"), "has no search"),
        (("resume", "nobody"), "has no search"),
        (("export", "nobody", "--out", "out"), "has no search"),
        (("measure", "no.onnx"), "there is no file no.onnx"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(arguments, sentence, tmp_path, here):
    refused(here(*arguments), sentence)
    assert not list(tmp_path.glob("automl-home/studies/*"))


def test_a_taken_name_and_a_wish_that_no_model_meets(searched, here):
    at = ("--home", searched.home.path)
    refused(here("search", "digits", "--name", "digits", *at), "automl resume digits")
    refused(here("resume", "digits", *at), "--trials 12")
    refused(here("front", "digit", *at), "did you mean 'digits'")
    refused(here("search", "digits", "--warm-start", "digit", *at), "did you mean 'digits'")
    refused(here("search", "tabular", "--warm-start", "digits", *at), "the same objectives")
    few = ("--set", "model=MLP", "--set", "model.MLP.widths=[8]")
    refused(here("search", "digits", "--warm-start", "digits", *few, *at), "could be one of this")
    refused(here("export", "digits", "--where", "size_bytes<=1", "--out", "o", *at), "it spans")
    both = ("--knee", "--best", "accuracy", "--out", "o")
    refused(here("export", "digits", *both, *at), "--best and --knee exclude one another")
    vague = ("--prefer", "accuracy within a bit", "--out", "o")
    refused(here("export", "digits", *vague, *at), "cannot read the wish 'accuracy within a bit'")


@pytest.mark.parametrize("command", ["search", "check"])
def test_a_home_that_cannot_be_written(command, tmp_path):
    (tmp_path / "file").write_text("")
    refused(
        automl(command, "digits", "--home", "file/home", cwd=tmp_path), "cannot write to the home"
    )


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (("--tracking-uri", "http://127.0.0.1:1"), "no MLflow server answers"),
        (("--address", "127.0.0.1:1"), "no Ray cluster answers"),
    ],
)
def test_a_server_that_does_not_answer_is_told(option, sentence, tmp_path, here):
    refused(here("search", "digits", *option), sentence)
    assert not list(tmp_path.glob("automl-home/studies/*"))


def test_a_busy_port(here):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(here("ui", "--port", port), f"port {port} cannot be used")
