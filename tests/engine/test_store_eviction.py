import shutil

from automl.engine.searches import open_study
from automl.engine.store_eviction import trim
from automl.home import Home
from automl.store import Store


def test_without_room_only_the_fronts_files_stay(studied, tmp_path, monkeypatch):
    home = Home(tmp_path / "home")
    shutil.copytree(studied.home.path, home.path)
    store, study = Store(home.store), open_study(home, studied.study.name)
    ended = {record.result.key for record in study.records() if record.is_complete}
    front = {record.result.key for record in study.front().members}

    def kept():
        return {key for key in ended if store.has(key, "model.onnx")}

    assert kept() == ended > front
    trim(home)
    assert kept() == ended, "there is room"
    monkeypatch.setenv("AUTOML_STORE_GB", "0")
    trim(home)
    assert kept() == front
