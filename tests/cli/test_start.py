"""The commands before a first search: a space written for data, and the presets."""

import json

import pytest
from helpers.command import refused

from automl.engine import space_source
from automl.engine.presets import PRESETS
from automl.engine.wishes import OwnData
from automl.home import Home


@pytest.fixture
def table(tmp_path):
    rows = [f"{i % 7},{i * 1.5 % 11},{'no' if i % 5 else 'yes'}" for i in range(60)]
    (tmp_path / "my.csv").write_text("\n".join(["a,b,left", *rows]))
    return tmp_path


def test_init_writes_what_search_would_search(table, here):
    done = here("init", "my.csv", "--target", "left", "--preset", "fast")
    assert done.returncode == 0, done.stderr
    text = (table / "my_space.py").read_text()
    wishes = OwnData("left", preset="fast")
    assert space_source.source("my.csv", wishes, Home(table / "automl-home")).text == text
    lines = done.stdout.splitlines()
    assert lines[0] == "my.csv is a table; 'left' is predicted (as you say), a classification"
    assert lines[-1].endswith("automl search my_space.py --minutes 5")
    refused(here("init", "my.csv", "--target", "left"), "my_space.py is there already")


def test_init_prints_one_object(table, here):
    done = here("init", "my.csv", "--json", "--out", "deep.py")
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert found["command"] == "automl search deep.py --minutes 20"
    assert "rows: 60, each 2 columns" in found["told"]
    nowhere = here("init", "my.csv", "--out", "no/such.py")
    refused(nowhere, "cannot write no/such.py: No such file or directory")


def test_check_takes_data_too(table, here):
    done = here("check", "my.csv")
    assert done.returncode == 0, done.stderr
    assert "objectives: roc_auc, size_bytes, latency_ms" in done.stdout
    assert "split: 36 rows to train" in done.stdout


def test_presets_say_what_each_stands_for(here):
    lines = here("presets").stdout.splitlines()
    for word, preset in PRESETS.items():
        (at,) = (i for i, line in enumerate(lines) if line.startswith(f"{word}"))
        assert lines[at].endswith(preset.purpose)
        shown = "\n".join(lines[at + 1 : at + 7])
        assert f"minutes      {preset.minutes:g}" in shown
        assert f"at most {preset.widest} wide" in shown
    found = json.loads(here("presets", "--json").stdout)
    assert set(found["presets"]) == set(PRESETS)
