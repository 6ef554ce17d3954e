"""The folder of a new search, where others have come before."""

from dataclasses import replace

import pytest
from helpers.own_metric import LESS, MORE, search_by_cost
from helpers.small_study import SETTINGS, make_study

from automl.config import Config, encode
from automl.engine import new_search
from automl.engine.statuses import statuses
from automl.engine.store_eviction import trim
from automl.errors import UserError
from automl.home import Home
from automl.quality import METRICS
from automl.space import space_file
from automl.space.exploring import explore
from automl.store import Store
from automl.study.propose import warm_start
from automl.study.study import create


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def made(home, name=None, stem="mine"):
    """A new search, as the engine makes one."""
    return new_search._created(
        home, name, stem, lambda folder: create(folder, SETTINGS, "text", {"": b"file"})
    )


def test_names_that_are_free_are_numbered(home):
    assert [made(home).name for _ in range(3)] == ["mine", "mine-2", "mine-3"]


def test_the_remains_of_a_search_take_a_name(home):
    (home.study("mine") / "plots").mkdir(parents=True)
    assert made(home).name == "mine-2"
    for name in ("mine", "mine-2"):
        with pytest.raises(UserError) as told:
            made(home, name)
        assert ("holds none: it has no space.py; remove it" in str(told.value)) == (name == "mine")


def test_a_name_that_is_taken_meanwhile_is_left_to_the_other(home):
    def create_late(folder):
        if folder.name == "mine":
            make_study(home.path / "studies")
        return create(folder, SETTINGS, "text", {"": b"file"})

    assert new_search._created(home, None, "mine", create_late).name == "mine-2"


def test_a_search_that_cannot_be_made_is_tried_once(home):
    tried = []

    def refuse(folder):
        tried.append(folder.name)
        raise UserError("the database is away")

    with pytest.raises(UserError, match="away"):
        new_search._created(home, None, "mine", refuse)
    assert tried == ["mine"]


def test_a_folder_that_cannot_be_made_is_told_as_it_is(home):
    home.study("mine").parent.mkdir()
    home.study("mine").write_text("")
    with pytest.raises(NotADirectoryError):
        create(home.study("mine"), SETTINGS, "text", {"": b"file"})


@pytest.fixture
def first(forgotten, home):
    """A search for the least of an own metric, on data of its space."""
    home.study("first").parent.mkdir()
    study, data = search_by_cost(home.study("first"), LESS), explore(space_file.load(LESS))
    settings = replace(study.settings, datasets=warm_start.datasets(data))
    study.set_attribute("settings", encode(settings))
    return study.name


def test_a_new_search_goes_by_its_own_classes_after_a_warm_start(first, home):
    space = space_file.load(LESS.replace("epochs=2", "epochs=3"))
    own = type(METRICS["cost"])
    assert len(new_search._earlier(first, home, space)) == 3
    assert type(METRICS["cost"]) is Config.registered["Cost"] is own


def test_no_warm_start_is_from_a_search_that_went_by_another_metric(first, home):
    space = space_file.load(MORE)
    with pytest.raises(UserError, match="search 'first' went by another cost than this space"):
        new_search._earlier(first, home, space)
    assert METRICS["cost"].better == "max"


@pytest.mark.parametrize("look", [statuses, trim])
def test_a_look_at_other_searches_leaves_the_own_metric(look, first, home, monkeypatch):
    monkeypatch.setenv("AUTOML_STORE_GB", "0")
    Store(home.store).write("other", {"model.onnx": b"file"})
    for text, better in ((MORE, "max"), (LESS, "min")):
        space_file.load(text)
        look(home)
        assert METRICS["cost"].better == better
    del METRICS["cost"]
    look(home)
    assert "cost" not in METRICS
