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


def test_trim_drops_the_least_recently_used_but_keeps_what_is_needed(store):
    for key in ("needed", "old", "used", "new"):
        store.write(key, {"a": bytes(100)})
    store.use("used")
    store.use("new")
    assert store.trim(250, lambda: {"needed"}) == ["old", "used"]
    assert store.has("needed", "a")
    assert store.has("new", "a")


def test_trim_keeps_the_checkpoints_of_what_is_needed(store):
    store.write("needed@3", {"a": bytes(100)})
    store.write("other@3", {"a": bytes(100)})
    assert store.trim(50, lambda: {"needed"}) == ["other@3"]


def test_what_fits_is_left_alone(store):
    store.write("key", {"a": bytes(100)})
    assert store.trim(250, set) == []
