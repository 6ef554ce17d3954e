"""A study in a database: SQLite, and a real PostgreSQL."""

from dataclasses import replace

import optuna
import pytest
from helpers.postgresql import running
from helpers.small_study import SETTINGS, complete, end, make_study
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from automl.errors import UserError
from automl.study import glance, layout, storage
from automl.study.layout import StudyGone
from automl.study.record import TrialRecord
from automl.study.study import Study, create
from automl.study.trial_id import Kind, TrialId
from automl.trial.result import Status, TrialResult, failed


@pytest.fixture(scope="module")
def postgresql():
    with running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    if request.param == "sqlite":
        return storage.absolute(f"sqlite:///{tmp_path}/studies.db")
    return request.getfixturevalue("postgresql").url


def test_a_search_in_a_database_is_read_back(database, tmp_path):
    results = [complete(0.9, 1000), None, complete(0.8, 500)]
    study = make_study(tmp_path, *results, database=database)
    study.update(study.records()[1].on_course(seconds=3.5))
    study.write_refit(TrialRecord(TrialId(0, Kind.REFIT), {}, {}, config="{}"))
    again = Study(tmp_path / "mine")
    assert again.settings == SETTINGS
    assert [record.result for record in again.records()] == results
    assert again.records()[1].course.seconds == 3.5
    assert [record.trial_id for record in again.refits()] == ["0000-refit"]
    assert again.summary().hypervolume > 0
    assert not (tmp_path / "mine" / layout.JOURNAL).exists()
    end(again, again.records()[1], complete(0.7, 100))
    assert study.records()[1].result == complete(0.7, 100)


def test_a_search_opens_in_plain_optuna(tmp_path):
    """And so in optuna-dashboard: objectives by name, states, and how far a trial breaks limits."""
    limited = replace(SETTINGS, constraints=("size_bytes<=900 and accuracy>=0.5",))
    ended = [complete(0.9, 1000), complete(0.8, 500), failed(ValueError("x"))]
    ended += [TrialResult(Status.REJECTED, "no"), TrialResult(Status.STOPPED, "behind"), None]
    make_study(tmp_path, *ended, settings=limited)
    journal = JournalFileBackend(str(tmp_path / "mine" / "journal.log"))
    study = optuna.load_study(study_name="mine", storage=JournalStorage(journal))
    assert study.metric_names == ["accuracy", "size_bytes"]
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "COMPLETE", "FAIL", "PRUNED", "PRUNED", "RUNNING"]
    assert study.trials[0].values == [0.9, 1000]
    beyond = [trial.system_attrs.get("constraints") for trial in study.trials[:3]]
    assert beyond == [pytest.approx([100, -0.4]), pytest.approx([-400, -0.3]), None]
    assert [trial.number for trial in study.best_trials] == [1]


def test_homes_that_share_a_database_keep_apart(database, tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    make_study(tmp_path / "one", complete(0.9, 1000), database=database)
    make_study(tmp_path / "other", database=database)
    assert len(Study(tmp_path / "one" / "mine").records()) == 1
    assert Study(tmp_path / "other" / "mine").records() == []


def test_a_name_that_is_taken_leaves_nothing_in_the_database(tmp_path):
    url = storage.absolute(f"sqlite:///{tmp_path}/studies.db")
    make_study(tmp_path, complete(0.9, 1000), database=url)
    with pytest.raises(UserError, match="a search named 'mine' exists already"):
        create(tmp_path / "mine", SETTINGS, "text", {"": b""}, database=url)
    assert len(storage.database(url).get_all_studies()) == 1


def test_a_database_that_has_lost_a_search_is_told(database, tmp_path):
    study = make_study(tmp_path, complete(0.9, 1000), database=database)
    study._stored.delete()
    told = rf"^the trials of search 'mine' are gone from its database; .* remove {study.folder}$"
    with pytest.raises(StudyGone, match=told):
        Study(study.folder)


@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_a_journal_that_is_gone_is_told_and_not_made_anew(left, tmp_path):
    journal = make_study(tmp_path, complete(0.9, 1000)).folder / layout.JOURNAL
    journal.unlink() if left == "nothing" else journal.write_text("")
    for opened in (Study, glance.of):
        with pytest.raises(StudyGone, match=f"gone from {journal}"):
            opened(journal.parent)
    assert journal.exists() == (left != "nothing")


def test_a_database_without_its_file_is_away_and_not_made_anew(tmp_path):
    file = tmp_path / "studies.db"
    study = make_study(tmp_path, database=storage.absolute(f"sqlite:///{file}"))
    file.unlink()
    with pytest.raises(UserError, match="cannot be used: there is no such file") as told:
        Study(study.folder)
    assert not isinstance(told.value, StudyGone) and not file.exists()


def test_a_database_that_was_away_gets_each_write_once(postgresql, tmp_path, monkeypatch):
    study = make_study(tmp_path, complete(0.9, 1000), database=postgresql.url)
    postgresql.stop()
    failures = []

    def comes_back(error, passes=storage.is_passing):
        if not failures:
            postgresql.start()
        failures.append(error)
        return passes(error)

    monkeypatch.setattr(storage, "is_passing", comes_back)
    record = TrialRecord(TrialId(1), {}, {})
    study.start(record)
    end(study, record, complete(0.8, 500))
    assert failures
    again = Study(tmp_path / "mine").records()
    assert [record.result for record in again] == [complete(0.9, 1000), complete(0.8, 500)]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nonsense", "is no database's URL"),
        ("sqlite://", "names no file"),
        ("sqlite:////no/such/folder/studies.db", "unable to open database file"),
        ("postgresql://automl:secret@127.0.0.1:1/studies", "cannot be used|is not installed"),
        ("oracle://127.0.0.1/studies", "is not installed"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(url, why):
    with pytest.raises(UserError, match=why) as told:
        storage.database(storage.absolute(url))
    assert "secret" not in str(told.value)
