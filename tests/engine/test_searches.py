"""Searches found by name, beside one that an earlier version made."""

import pytest
from helpers import earlier_search
from helpers.small_study import complete, make_study

from automl.engine.searches import open_studies, open_study, statuses
from automl.engine.store_eviction import trim
from automl.errors import UserError
from automl.home import Home
from automl.store import Store


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


def test_a_search_of_an_earlier_version_keeps_nothing_from_being_evicted(home, monkeypatch):
    with pytest.raises(UserError, match="earlier version"):
        open_study(home, "old")
    store = Store(home.store)
    for key in ("k", "other"):
        store.write(key, {"model.onnx": b"file"})
    monkeypatch.setenv("AUTOML_STORE_GB", "0")
    trim(home)
    assert store.has("k", "model.onnx") and not store.has("other", "model.onnx")
