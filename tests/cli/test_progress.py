"""The progress of a search without a terminal: lines on standard error."""

import io
import math
from dataclasses import replace

import pytest
from helpers.small_study import complete, make_study

from automl.cli.progress import Progress
from automl.recipe import Report
from automl.study.budget import Budget
from automl.study.record import TrialRecord
from automl.study.trial_id import Kind, TrialId


@pytest.fixture
def progress(tmp_path):
    study = make_study(tmp_path, complete(0.75, 2000), complete(0.5, 1000), None)
    progress = Progress()
    progress.console.file = io.StringIO()
    progress.began(study, 2, Budget(minutes=9.0))
    return progress


def lines(progress):
    """What was written since this was last asked."""
    written = progress.console.file.getvalue().splitlines()
    progress.console.file = io.StringIO()
    return written


def test_a_line_a_minute_tells_how_far_a_search_is(progress):
    progress.reported(TrialId(2), Report("train", 3, 15, {"accuracy": 0.5}))
    progress.looked(300.0)
    assert len(lines(progress)) == 1, "the minute is not over"
    progress.next_line = progress.started_at
    progress.looked(301.9)
    [line] = lines(progress)
    assert line.startswith("0:0")
    assert line.endswith(
        ", 2 complete; front 2, hypervolume 0.4536, best accuracy 0.75, 0002 at train 3/15; "
        "ends in about 5:01"
    )
    progress.looked(300.0)
    assert not lines(progress)


def test_trials_that_end_are_counted_and_refits_are_not(progress):
    progress.finished(replace(progress.study.records()[2], result=complete(0.9, 3000)))
    refit = TrialRecord(TrialId(0, Kind.REFIT), {}, {}, result=complete(0.95, 3000))
    progress.finished(refit)
    progress.next_line = progress.started_at
    progress.looked(math.inf)
    assert ", 3 complete; front 3, " in lines(progress)[-1]


def test_an_end_that_is_not_known_is_not_told(progress):
    progress.next_line = progress.started_at
    progress.looked(math.inf)
    assert "ends" not in lines(progress)[-1]


def test_the_first_trial_that_is_shortened_is_told_at_once(progress):
    for number in (2, 3):
        progress.reported(TrialId(number), Report("train", 0, 2, {}, "it is shortened"))
    assert [line for line in lines(progress) if "shortened" in line] == [
        "trial 0002: it is shortened"
    ]
