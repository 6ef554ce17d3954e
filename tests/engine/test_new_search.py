"""The folder of a new search, where others have come before."""

import pytest
from helpers.small_study import SETTINGS, make_study

from automl.engine import new_search
from automl.errors import UserError
from automl.home import Home
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
