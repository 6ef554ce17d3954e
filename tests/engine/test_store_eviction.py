import shutil

from automl.engine.searches import open_study
from automl.engine.store_eviction import trim
from automl.home import Home
from automl.store import Store


def test_what_the_front_ships_stays_when_there_is_no_room_for_anything(
    studied, tmp_path, monkeypatch
):
    home = Home(tmp_path / "home")
    shutil.copytree(studied.home.path, home.path)
    store, study = Store(home.store), open_study(home, studied.study.name)
    ended = {r.trial_id: r.result.key for r in study.records() if r.is_complete}
    front = {record.trial_id for record in study.front().members}

    def kept():
        return {name for name, key in ended.items() if store.has(key, "model.onnx")}

    assert kept() == set(ended) > front
    trim(home)
    assert kept() == set(ended), "there is room"
    monkeypatch.setenv("AUTOML_STORE_GB", "0")
    trim(home)
    assert kept() == front
