import shutil

from helpers.own_metric import LESS, search_by_cost
from helpers.small_study import complete, make_study

from automl.engine.searches import open_study
from automl.engine.store_eviction import tell_others, trim
from automl.home import Home
from automl.quality import METRICS
from automl.store import Store
from automl.study import storage


def test_without_room_only_the_fronts_files_stay(studied, tmp_path, monkeypatch):
    home = Home(tmp_path / "home")
    shutil.copytree(studied.home.path, home.path)
    store, study = Store(home.store), open_study(home, studied.study.name)
    ended = {record.result.key for record in study.records() if record.is_complete}
    front = {record.result.key for record in study.front().unbeaten}

    def kept():
        return {key for key in ended if store.has(key, "model.onnx")}

    assert kept() == ended > front
    trim(home)
    assert kept() == ended, "there is room"
    monkeypatch.setenv("AUTOML_STORE_GB", "0")
    trim(home)
    assert kept() == front


def test_a_home_leaves_in_a_shared_store_what_another_needs(studied, tmp_path, monkeypatch):
    shared, ann, ben = tmp_path / "shared", Home(tmp_path / "ann"), Home(tmp_path / "ben")
    shutil.copytree(studied.home.store, shared)
    shutil.copytree(studied.home.path, ann.path)
    ben.path.mkdir()
    for home in (ann, ben):
        home.use_store(str(shared))
    front = {record.result.key for record in studied.study.front().unbeaten}
    store = Store(str(shared))
    monkeypatch.setenv("AUTOML_STORE_GB", "0")
    tell_others(ann, store)
    trim(ben)
    assert all(store.has(key, "model.onnx") for key in front)
    (ann.path / "studies").rename(tmp_path / "removed")
    trim(ann)
    assert not any(store.has(key, "model.onnx") for key in front), "nobody needs them any more"


def test_a_search_by_a_metric_that_is_not_loaded_keeps_its_front_alone(
    forgotten, tmp_path, monkeypatch
):
    home = Home(tmp_path)
    (home.path / "studies").mkdir()
    search_by_cost(home.study("own"), LESS)
    store = Store(home.store)
    store.identify()
    for number in range(3):
        store.write(f"k{number}", {"model.onnx": b"file"})
    METRICS.pop("cost", None)
    monkeypatch.setenv("AUTOML_STORE_GB", "0")
    assert trim(home) is not None
    assert [store.has(f"k{number}", "model.onnx") for number in range(3)] == [False, True, True]


def test_a_search_whose_trials_are_gone_keeps_nothing_and_one_that_is_away_all(
    tmp_path, monkeypatch
):
    home, file = Home(tmp_path), tmp_path / "studies.db"
    home.study("mine").parent.mkdir()
    make_study(home.path / "studies", complete(0.9, 1000))
    (home.path / "studies" / "mine").rename(home.study("here"))
    lost = make_study(home.path / "studies", database=storage.absolute(f"sqlite:///{file}"))
    store = Store(home.store)
    store.identify()
    for key in ("k", "other"):
        store.write(key, {"model.onnx": b"file"})
    monkeypatch.setenv("AUTOML_STORE_GB", "0")
    file.rename(tmp_path / "away.db")
    assert trim(home) is None and store.has("other", "model.onnx")
    (tmp_path / "away.db").rename(file)
    lost._stored.delete()
    assert trim(home) is not None
    assert store.has("k", "model.onnx") and not store.has("other", "model.onnx")
