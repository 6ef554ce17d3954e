import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
from helpers import earlier_search
from helpers.small_study import SETTINGS, complete, end, make_study

from automl.errors import UserError
from automl.study import glance
from automl.study.layout import JOURNAL
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult


@pytest.fixture
def make(tmp_path):
    return partial(make_study, tmp_path)


def test_everything_is_read_back_by_another_process(make, tmp_path):
    results = [complete(0.9, 1000), TrialResult(Status.FAILED, reason="why"), None]
    make(*results)
    again = Study(tmp_path / "mine")
    assert again.settings == SETTINGS
    assert [record.result for record in again.records()] == results
    assert (again.space_text, again.reference) == ("text", b"file")


def test_the_front_holds_what_none_dominates_and_constraints_allow(make):
    settings = replace(SETTINGS, constraints=("size_bytes<=5000",))
    study = make(
        complete(0.9, 1000),
        complete(0.8, 2000),
        complete(0.95, 4000),
        complete(0.99, 6000),
        TrialResult(Status.REJECTED, reason="fake"),
        settings=settings,
    )
    assert [record.id.number for record in study.front().members] == [0, 2]
    summary = study.summary()
    assert summary.trials == {
        "complete": 4,
        "stopped": 0,
        "rejected": 1,
        "failed": 0,
        "screened": 0,
    }
    assert [member.trial_id for member in summary.front] == ["0000", "0002"]
    assert 0 < summary.hypervolume < 1


def test_a_name_is_taken_once(make):
    make()
    with pytest.raises(UserError, match="automl resume mine"):
        make()


def test_the_hypervolume_after_each_ended_trial(make):
    study = make(
        TrialResult(Status.FAILED, reason="why"),
        complete(0.9, 1000),
        complete(0.8, 2000),
        None,
        complete(0.95, 4000),
    )
    nothing, first, same, last = study.hypervolumes()
    assert (nothing, same) == (0.0, first)
    assert 0 < first < last == study.front().hypervolume


def test_the_space_of_a_search_is_read_as_python_reads_it(tmp_path):
    text = "# Gr\u00f6\u00dfe \u2013 \u5927\nspace = 1"
    code = (
        "import sys\n"
        "from helpers.small_study import SETTINGS\n"
        "from pathlib import Path\n"
        "from automl.study.study import create\n"
        f"study = create(Path(sys.argv[1]), SETTINGS, {text!a}, {{'': b''}})\n"
        f"assert study.space_text == {text!a}"
    )
    path = os.pathsep.join(filter(None, sys.path))
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment = {**os.environ, **ascii_alone, "PYTHONPATH": path}
    command = [sys.executable, "-c", code, tmp_path / "mine"]
    subprocess.run(command, env=environment, check=True, timeout=120)
    assert (tmp_path / "mine" / "space.py").read_text(encoding="utf-8") == text


def test_a_search_of_an_earlier_version_is_refused(tmp_path):
    folder = earlier_search.made(tmp_path / "old")
    with pytest.raises(UserError) as refused:
        Study(folder)
    sentence = str(refused.value)
    assert sentence.startswith("search 'old' was made by an earlier version of automl")
    assert "start a new search" in sentence and "\n" not in sentence


def test_a_search_without_a_model_tells_why(make):
    failing = [TrialResult(Status.FAILED, reason=f"it took {n} s\nmore") for n in (1, 2)]
    study = make(TrialResult(Status.REJECTED, reason="no"), *failing)
    assert study.why_empty() == "no trial is complete yet"
    study.set_attribute("state", "finished")
    assert study.why_empty() == ("none of its trials is complete, 2 of 3 ended so: it took 1 s")


def test_a_search_with_a_model_tells_nothing(make):
    assert make(TrialResult(Status.FAILED, reason="no"), complete(0.5, 10)).why_empty() == ""


def test_a_search_whose_constraints_nobody_meets_names_the_trial_that_comes_nearest(tmp_path):
    constraints = ("size_bytes<=1000 and accuracy>=0.95", "latency_ms<=200% of reference")
    settings = replace(SETTINGS, constraints=constraints, reference={"latency_ms": 1.0})
    study = make_study(tmp_path, complete(0.9, 900), complete(0.99, 4000), settings=settings)
    assert study.why_empty() == (
        "no complete trial meets size_bytes <= 1000 and accuracy >= 0.95 and latency_ms <= 200% of "
        "reference (<= 2): trial 0000 comes nearest (accuracy 0.9)"
    )


def test_a_search_without_a_trial_that_ended_had_no_time(make):
    study = make(None)
    study.set_attribute("state", "finished")
    assert study.why_empty() == "no trial had the time to end"


def test_a_shortened_trial_is_read_back_with_the_config_that_it_ran_as(make):
    shorter = replace(complete(0.5, 10), shortened="train 1 of 9 epochs", config='{"a": 1}')
    [record] = make(shorter).records()
    assert record.config == '{"a": 1}' and record.result == shorter


def test_a_study_that_forgets_its_trials_reads_them_from_disk(tmp_path):
    study = make_study(tmp_path, complete(0.9, 1000))
    study.forget()
    record = TrialRecord(TrialId(1), {}, {})
    study.start(record)
    end(study, record, complete(0.8, 500))
    forgetful = study.records()
    study.remember()
    assert forgetful == study.records() == Study(tmp_path / "mine").records()
    assert [one.values["size_bytes"] for one in forgetful] == [1000, 500]
    assert study.records()[0] is study.records()[0]


@pytest.mark.parametrize("is_bare", [False, True])
def test_half_a_line_is_never_written_on(is_bare, tmp_path):
    """An export writes without holding the search; a run may go on after its disk was full."""
    study = make_study(tmp_path, complete(0.9, 1000))
    if is_bare:
        study.forget()
    for number in range(2):
        with (study.folder / JOURNAL).open("ab") as journal:
            journal.write(b'{"op_code":8,"worker_id":"x","study_id":0,"user_a')
        study.set_attribute("exported", number)
        again = Study(study.folder)
        assert (
            again.attribute("exported") == glance.of(study.folder).attribute("exported") == number
        )
        assert len(again.records()) == 1
