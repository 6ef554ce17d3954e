"""A search that is interrupted or killed, and goes on: nothing finished is lost or done twice."""

import contextlib
import signal
import sqlite3

import pytest
from helpers import faulty_space
from helpers.search_process import finished, members, runs, wait_for

from automl.engine import api
from automl.engine.searches import open_study
from automl.errors import UserError
from automl.home import Home

pytestmark = pytest.mark.timeout(600)
SETS = [
    *("--set", "model=MLP"),
    *("--set", "recipe.train.epochs=2"),
    *("--set", "recipe.fine_tune.epochs=2"),
    *("--refit-minutes", "0"),
]


def num_delivered(tmp_path):
    """Ended runs in MLflow's database, read without disturbing who writes it."""
    path = tmp_path / "mlflow.db"
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute("select count(end_time) from runs").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


@pytest.fixture
def killed(start, tmp_path):
    """A search whose driver was killed half-way, writing: what was finished, ended runs' times."""
    # MLflow is told a few times a minute: the search must take longer than that.
    slow = ("--set", "recipe.train.epochs=300", "--no-early-stopping")
    process = start("search", "digits", "--trials", "5", *SETS, *slow)
    wait_for(lambda: num_delivered(tmp_path) >= 1)
    process.kill()
    process.wait()
    before = finished(tmp_path)
    assert len(before) < 5
    _, children = runs(tmp_path)
    ended = {run.info.run_id: run.info.end_time for run in children if run.info.end_time}
    wait_for(lambda: not members(process.pid))
    with (Home(tmp_path).study("digits") / "journal.log").open("a") as journal:
        journal.write('{"op_code":8,"worker_id":"')
    return before, ended


def test_a_killed_driver_is_resumed_without_loss_or_duplicates(killed, start, tmp_path):
    before, ended = killed
    resumed = start("resume", "digits")
    assert resumed.wait(240) == 0, resumed.stderr.read()
    after = finished(tmp_path)
    assert sorted(after) == list(range(5))
    assert {number: after[number] for number in before} == before
    parent, children = runs(tmp_path)
    assert parent.info.status == "FINISHED"
    assert {run.info.status for run in children} == {"FINISHED"}
    assert sorted(int(run.data.tags["automl.trial_id"]) for run in children) == list(range(5))
    now = {run.info.run_id: run.info.end_time for run in children}
    assert {run_id: now[run_id] for run_id in ended} == ended


@pytest.mark.slow
def test_refits_that_a_kill_cut_off_are_resumed(start, tmp_path):
    sets = [*SETS[:-2], "--refit-minutes", "2"]
    process = start("search", "digits", "--trials", "6", "--concurrency", "1", *sets)

    def refits():
        home = Home(tmp_path)
        return open_study(home, "digits").refits() if "digits" in home.studies() else []

    wait_for(lambda: any(record.result is None for record in refits()))
    process.kill()
    process.wait()
    before = {record.id: record.result for record in refits() if record.result}
    wait_for(lambda: not members(process.pid))
    resumed = start("resume", "digits")
    assert resumed.wait(240) == 0, resumed.stderr.read()
    after = {record.id: record.result for record in refits()}
    assert {number: after[number] for number in before} == before
    assert {result.status for result in after.values()} == {"complete"}
    assert sorted(finished(tmp_path)) == list(range(6))
    _, children = runs(tmp_path)
    assert len(children) == 6 + len(after)
    assert {run.info.status for run in children} == {"FINISHED"}


def test_ctrl_c_ends_in_seconds_and_says_how_to_resume(start, tmp_path):
    process = start("search", "digits", "--trials", "40", *SETS)
    wait_for(lambda: len(finished(tmp_path)) >= 1)
    process.send_signal(signal.SIGINT)
    assert process.wait(25) == 130
    assert "automl resume digits" in process.stderr.read()
    assert finished(tmp_path)
    wait_for(lambda: not members(process.pid))
    parent, children = runs(tmp_path)
    assert parent.info.status == "KILLED"
    assert "RUNNING" not in {run.info.status for run in children}


def test_stop_ends_a_search_from_another_terminal(start, tmp_path):
    process = start("search", "digits", "--trials", "40", *SETS)
    wait_for(lambda: len(finished(tmp_path)) >= 1)
    with pytest.raises(UserError, match="being searched by another run"):
        api.resume("digits", trials=50, home=tmp_path)
    assert start("stop", "digits").wait(240) == 0
    assert process.wait(240) == 130
    assert len(finished(tmp_path)) < 40


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_no_fault_of_a_users_code_ends_a_search(start, tmp_path):
    options = ("--name", "faulty", "--trials", "60", "--refit-minutes", "0.2")
    process = start("search", faulty_space.__file__, *options)
    _, told = process.communicate(timeout=900)
    assert process.returncode == 0 and "Traceback" not in told, told
    results = finished(tmp_path, "faulty")
    assert len(results) == 60
    assert all(result.reason or result.is_complete for result in results.values())
    statuses = {result.status for result in results.values()}
    assert {"complete", "failed"} <= statuses
    assert all(result.traceback for result in results.values() if is_raised(result))
    assert "candidates could not be drawn: Picky cannot be made: ZeroDivisionError" in told
    assert "could not be bounded: LookupError: nothing is known of 5" in told
    resumed = start("resume", "faulty", "--trials", "64")
    assert resumed.wait(300) == 0, resumed.stderr.read()
    assert len(finished(tmp_path, "faulty")) == 64


def is_raised(result):
    """True of a trial that failed by what its code raised, not by the end of its process."""
    return result.status == "failed" and "lost 3 times" not in result.reason
