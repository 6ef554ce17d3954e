"""Artifacts in folders, in memory and on a local S3 server."""

from pathlib import Path

import pytest
import tenacity

from automl.errors import UserError
from automl.store import Store


def test_what_was_written_is_read_and_nothing_else(store):
    store.write("key", {"a": b"1", "b": b"2"})
    assert store.read("key", "a") == b"1"
    assert store.has("key", "b")
    assert store.read("key", "c") is None
    assert store.read("other", "a") is None
    assert sorted(store.names("key")) == ["a", "b"]
    assert store.names("other") == []
    store.drop("key")
    assert not store.has("key", "a")


def test_any_fsspec_url_will_do():
    store = Store("memory://automl-test")
    store.write("key", {"a": b"1"})
    assert store.read("key", "a") == b"1"
    assert store.starting_with("k") == ["key"]


@pytest.mark.parametrize("folder", ["exp[1]", "exp*", "exp?", "exp]", "exp1::a"])
def test_a_folder_of_any_name_will_do(folder, tmp_path):
    beside = Store(str(tmp_path / "exp1"))
    beside.write("key@9", {"c": b"9"})
    store = Store(str(tmp_path / folder))
    store.identify()
    assert store.starting_with("key@") == [] and store.names("key") == []
    for key in ("key", "key@10", "key@3"):
        store.write(key, {"b": b"2", "a": b"1"})
    assert store.starting_with("key@") == ["key@10", "key@3"]
    assert store.names("key@3") == ["a", "b"]
    store.drop("key@3")
    assert store.starting_with("key@") == ["key@10"]
    assert store.trim(0, set).dropped == ["key", "key@10"]
    assert beside.read("key@9", "c") == b"9"


@pytest.mark.parametrize("name", ["exp[1]", "exp*", "exp?"])
def test_a_pattern_elsewhere_than_in_a_folder_is_refused(name):
    with pytest.raises(UserError, match=r"cannot be used: its path has one of \*, \? and \["):
        Store(f"memory://{name}")


def test_trim_drops_the_least_recently_used_but_keeps_what_is_needed(store):
    for key in ("needed", "old", "used", "new"):
        store.write(key, {"a": bytes(100)})
    store.use("used")
    store.use("new")
    assert store.trim(250, lambda: {"needed"}).dropped == ["old", "used"]
    assert store.has("needed", "a")
    assert store.has("new", "a")


def test_trim_keeps_the_checkpoints_of_what_is_needed(store):
    store.write("needed@3", {"a": bytes(100)})
    store.write("other@3", {"a": bytes(100)})
    assert store.trim(50, lambda: {"needed"}).dropped == ["other@3"]


def test_what_fits_is_left_alone(store):
    store.write("key", {"a": bytes(100)})
    assert store.trim(250, set).dropped == []


def test_a_store_on_s3_is_seen_alike_by_all_at_once(bucket):
    writer = Store(f"{bucket}/store")
    reader = Store(f"{bucket}/store", writer.identify())
    assert reader.is_here()
    assert reader.read("key", "a") is None
    assert reader.starting_with("key") == []
    writer.write("key", {"a": b"1", "b": b"2"})
    writer.write("key@3", {"a": b"3"})
    assert reader.read("key", "a") == b"1"
    assert reader.has("key", "b") and not reader.has("key", "c")
    assert reader.starting_with("key") == ["key", "key@3"]
    assert sorted(reader.names("key")) == ["a", "b"]
    writer.use("key")
    assert "used" in reader.names("key")
    writer.drop("key@3")
    assert reader.starting_with("key") == ["key"]
    assert reader.trim(0, lambda: {"key"}).dropped == []
    assert reader.trim(0, set).dropped == ["key"]
    assert writer.starting_with("key") == [] and writer.is_here()


def test_a_store_that_is_away_is_waited_for(store, tmp_path, monkeypatch):
    store.identify()
    store.write("key", {"a": b"1"})
    away = tmp_path / "away"
    Path(store.root).rename(away)

    failures = []

    def come_back(state):
        if len(failures) == 1:
            away.rename(store.root)
        failures.append(state.outcome.exception())

    monkeypatch.setattr(Store.write.retry, "before_sleep", come_back)
    store.write("key", {"b": b"2"})
    assert len(failures) == 2
    assert store.read("key", "a") == b"1" and store.read("key", "b") == b"2"


def test_a_store_that_is_gone_or_replaced_is_told(store, tmp_path, monkeypatch):
    for method in (Store.read, Store.write):
        monkeypatch.setattr(method.retry, "stop", tenacity.stop_before_delay(0.5))
    other = Store(str(tmp_path / "other"), store.identify())
    for _ in range(2):
        with pytest.raises(OSError, match="is away, or not the one of this search"):
            other.read("key", "a")
        with pytest.raises(OSError, match="is away, or not the one of this search"):
            other.write("key", {"a": b"1"})
        assert not other.is_here()
        Store(other.url).identify()


def test_a_store_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        Store(str(tmp_path / "file" / "store")).identify()
    with pytest.raises(UserError, match="no-such"):
        Store("no-such://store")
