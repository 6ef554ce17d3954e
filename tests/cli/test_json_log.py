"""The log of a search as JSON: a line for each event on standard error."""

import json
import logging
import math

import pytest
from helpers.small_study import complete, make_study

from automl.cli.json_log import JsonLog
from automl.engine.searches import Search
from automl.home import Home
from automl.recipe import Report
from automl.study.budget import Budget
from automl.study.trial_id import TrialId
from automl.trial.result import failed


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path, complete(0.75, 2000), failed(ValueError("no")))


@pytest.fixture
def log(study):
    log = JsonLog()
    log.search = study.name
    return log


@pytest.fixture
def lines(capsys):
    def lines():
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    return lines


def test_each_line_has_time_level_search_and_trial(log, lines, study):
    log.began(study, 2, Budget(minutes=9.0))
    log.reported(TrialId(1).refit, Report("train", 3, 15, {"loss": math.nan, "accuracy": 0.5}))
    began, reported = lines()
    assert (began["event"], began["slots"], began["budget"]) == ("began", 2, {"minutes": 9.0})
    assert reported["time"].endswith("+00:00") and reported["level"] == "info"
    assert (reported["search"], reported["trial_id"]) == (study.name, "0001-refit")
    assert (reported["step"], reported["epoch"], reported["epochs"]) == ("train", 3, 15)
    assert reported["metrics"] == {"loss": None, "accuracy": 0.5}


def test_how_a_trial_ended_is_told_with_its_figures_or_its_traceback(log, lines, study):
    for record in study.records():
        log.finished(record)
    whole, broken = lines()
    assert whole["status"] == "complete" and whole["figures"]["size_bytes"] == 2000
    assert (broken["level"], broken["message"]) == ("warning", "ValueError: no")


def test_notes_and_the_end_are_events_too(log, lines, study, tmp_path):
    log.ended(Search(study, Home(tmp_path), failed="no model"), ["MLflow is away"])
    note, end = lines()
    assert (note["event"], note["message"]) == ("note", "MLflow is away")
    assert (end["event"], end["level"]) == ("ended", logging.getLevelName(logging.ERROR).lower())


def test_an_end_that_is_not_known_is_not_told(log, lines):
    log.looked(math.inf)
    log.looked(12.5)
    assert [line.get("seconds_left") for line in lines()] == [12.5]
