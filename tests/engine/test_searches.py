"""Searches found by name, beside one that an earlier version made."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import earlier_search
from helpers.datasets import mixed_table
from helpers.own_metric import LESS, MORE, search_by_cost
from helpers.small_study import SETTINGS, complete, end, make_study

from automl.engine import api
from automl.engine.searches import Search, open_studies, open_study
from automl.engine.statuses import statuses
from automl.engine.store_eviction import trim
from automl.engine.study_space import check_data
from automl.errors import UserError
from automl.home import Home
from automl.measure.measurement import Measurement
from automl.quality import METRICS
from automl.space import space_file
from automl.space.exploring import explore
from automl.store import Store
from automl.study import storage
from automl.study.layout import JOURNAL
from automl.study.propose import warm_start
from automl.study.record import TrialRecord
from automl.study.study import create
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult

SPACE = """
from automl import MLP, Space, Table, Text, Train, TrialConfig

space = Space(TrialConfig(Table({path!r}, "bought"), MLP((8,)), (Train(),)))
"""


@pytest.fixture
def home(tmp_path):
    """A home with a search of ours and one of the version before."""
    make_study(tmp_path / "studies", complete(0.9, 1000))
    earlier_search.made(tmp_path / "studies" / "old")
    return Home(tmp_path)


def test_a_list_names_searches_of_earlier_versions(home):
    mine, old = statuses(home)
    assert (mine["search"], mine["trials"], mine["front"]) == ("mine", {"complete": 1}, 1)
    assert (old["search"], old["state"]) == ("old", "of an earlier version")
    assert mine.keys() == old.keys()


def test_all_searches_are_opened_but_those_of_an_earlier_version(home):
    assert [study.name for study in open_studies(home)] == ["mine"]


def only_mine_opens(home, other, why):
    """Tell whether lists say why the search `other` cannot be read; it hides no search."""
    unread, mine, _ = statuses(home)
    told = []
    opened = [study.name for study in open_studies(home, told.append)]
    assert (unread["search"], mine["search"], opened) == (other, "mine", ["mine"])
    assert [one.partition(":")[0] for one in told] == [f"search {other!r} is left out"]
    return why in unread["state"] and why in told[0]


def test_a_search_whose_database_is_away_hides_no_other(home, tmp_path, monkeypatch):
    folder = tmp_path / "databases"
    folder.mkdir()
    database = f"sqlite:///{folder}/studies.db"
    create(home.study("away"), SETTINGS, "text", {"": b""}, database=database)
    shutil.rmtree(folder)
    # As another process, which has no connection to it.
    monkeypatch.setattr(storage, "database", storage.database.__wrapped__)
    assert only_mine_opens(home, "away", f"--study-storage {database} cannot be used")
    with pytest.raises(UserError, match="cannot be used"):
        list(open_studies(home))


def test_a_search_whose_trials_are_gone_hides_no_other(home, tmp_path):
    url = f"sqlite:///{tmp_path}/studies.db"
    create(home.study("gone"), SETTINGS, "text", {"": b""}, database=url)._stored.delete()
    assert only_mine_opens(home, "gone", "are gone from its database")


def test_a_search_whose_journal_is_spoiled_hides_no_other(home, tmp_path):
    make_study(tmp_path / "other", complete(0.9, 1000))
    (tmp_path / "other" / "mine").rename(home.study("cut"))
    with (home.study("cut") / JOURNAL).open("ab") as journal:
        journal.write(b'{"op_code":8,"worker_id":"x","us{"op_code":8}\n{"op_code":8}\n')
    assert only_mine_opens(home, "cut", f"{JOURNAL} is no JSON")


def test_a_search_stays_as_it_is_when_another_has_a_metric_of_the_same_name(forgotten, tmp_path):
    home = Home(tmp_path)
    (home.path / "studies").mkdir()
    for name, text in (("less", LESS), ("more", MORE)):
        search_by_cost(home.study(name), text)
    less = Search(open_study(home, "less"), home)
    for other in (less, Search(open_study(home, "more"), home), Search(less.study, home)):
        is_less = other.study.name == "less"
        assert other.front().index.tolist() == (["0001", "0002"] if is_less else ["0000"])
        assert other.best("cost").trial_id == ("0002" if is_less else "0000")
        assert other.summary().objectives["cost"] == ("min" if is_less else "max")
    METRICS.pop("cost")
    assert [record.trial_id for record in less.study.front().members] == ["0001", "0002"]


RECALL = """
from automl import Metric

class WorstRecall(Metric):
    def __call__(self, outputs, targets):
        return 0.5
"""
BY_RECALL = """
from recall_of_test import WorstRecall
from automl import MLP, Sklearn, Space, Train, TrialConfig

space = Space(TrialConfig(Sklearn("wine"), MLP((8,)), (Train(),)), ("accuracy", "size_bytes"))
"""


@pytest.mark.parametrize("place", ["a constraint", "the goal", "a new goal"])
def test_a_metric_that_the_space_imports_is_known_wherever_it_is_named(
    place, forgotten, tmp_path, monkeypatch
):
    (tmp_path / "recall_of_test.py").write_text(RECALL)
    monkeypatch.syspath_prepend(tmp_path)
    space_file.load(BY_RECALL)
    home = Home(tmp_path)
    home.study("mine").parent.mkdir()
    wanted = "worst_recall >= 0.7"
    constraints = (wanted,) if place == "a constraint" else ()
    settings = replace(SETTINGS, constraints=constraints)
    study = create(home.study("mine"), settings, BY_RECALL, {"": b"file"})
    measured = Measurement({"accuracy": 0.9, "worst_recall": 0.8}, 900, 1, 1)
    record = TrialRecord(TrialId(0), {}, {})
    study.start(record)
    end(study, record, TrialResult(Status.COMPLETE, key="k", measurement=measured))
    if place == "the goal":
        study.set_attribute("options", {"until": wanted})
    METRICS.pop("worst_recall")
    if place == "a new goal":
        with pytest.raises(UserError, match="has ended: trial 0000 meets worst_recall"):
            api.resume("mine", home=home.path, until=wanted)
    else:
        assert [row["front"] for row in statuses(home)] == [1]
        assert open_study(home, "mine").summary().met_by == (
            "0000" if place == "the goal" else None
        )


def test_a_search_of_an_earlier_version_keeps_nothing_from_being_evicted(home, monkeypatch):
    with pytest.raises(UserError, match="earlier version"):
        open_study(home, "old")
    store = Store(home.store)
    for key in ("k", "other"):
        store.write(key, {"model.onnx": b"file"})
    monkeypatch.setenv("AUTOML_STORE_GB", "0")
    trim(home)
    assert store.has("k", "model.onnx") and not store.has("other", "model.onnx")


@pytest.fixture
def learned(tmp_path):
    """A search that has learned from a table, and the path of that."""
    path = mixed_table(tmp_path / "a.csv").path
    text = SPACE.format(path=path)
    data = warm_start.datasets(explore(space_file.load(text)))
    home = Home(tmp_path / "home")
    home.study("mine").parent.mkdir(parents=True)
    study = create(home.study("mine"), replace(SETTINGS, datasets=data), text, {"": b"file"})
    return Search(study, home), Path(path)


def test_a_search_goes_on_with_the_data_that_it_began_with(learned):
    search, path = learned
    check_data(search.study)
    path.touch()
    check_data(search.study)


def test_a_search_whose_data_has_changed_is_told_in_one_sentence(learned):
    search, path = learned
    path.write_text(path.read_text().replace("y", "n", 3))
    told = (
        r"the data has changed since the search 'mine' began: Table\(path='.*a.csv', "
        r"target='bought'\) holds other rows or has other code now; put back what was there, or"
    )
    with pytest.raises(UserError, match=told):
        api.resume("mine", home=search.home.path)
    record = make_study(path.parent / "other", complete(0.9, 1000)).records()[0]
    with pytest.raises(UserError, match=told):
        search.test_figures(record)
