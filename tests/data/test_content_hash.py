import os

import pytest

from automl.data import content_hash as module
from automl.data.content_hash import content_hash


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Every hash is kept on disk, and forgotten by the process when this is called."""
    monkeypatch.setattr(module, "MANY_BYTES", 0)
    monkeypatch.setattr(module, "_kept_in", tmp_path / "cache")

    def forget():
        for known in (module._folder_hash, module._file_hash, module._read):
            known.cache_clear()

    return forget


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "set"
    path.mkdir()
    for name in "abc":
        (path / name).write_text(name)
    return path


def test_another_process_does_not_read_again(folder, kept, monkeypatch):
    before = content_hash(folder), content_hash(folder / "a")
    kept()
    monkeypatch.setattr(module.hashlib, "file_digest", None)
    assert (content_hash(folder), content_hash(folder / "a")) == before


def test_a_file_of_the_same_size_and_time_that_was_written_to_is_read_again(folder, kept):
    before, info = content_hash(folder), (folder / "a").stat()
    (folder / "a").write_text("x")
    os.utime(folder / "a", ns=(info.st_atime_ns, info.st_mtime_ns))
    kept()
    assert content_hash(folder) != before


def test_a_hash_that_is_kept_is_that_of_the_bytes(folder, kept, monkeypatch):
    found = content_hash(folder)
    kept()
    monkeypatch.setattr(module, "_kept_in", None)
    assert content_hash(folder) == found


def test_a_folder_that_takes_long_to_look_at_is_looked_at_now_and_then(folder, monkeypatch):
    monkeypatch.setattr(module, "_looked", {})
    monkeypatch.setattr(module, "MANY_FILES", 2)
    monkeypatch.setattr(module, "LOOK_SHARE", 1e-9)
    before = content_hash(folder)
    (folder / "a").write_text("changed")
    assert content_hash(folder) == before
    module._looked.clear()
    assert content_hash(folder) != before


def test_files_behind_a_link_count_and_a_link_to_a_folder_above_does_not(folder, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "class").symlink_to(folder)
    before = content_hash(linked)
    (folder / "back").symlink_to(linked)
    assert content_hash(linked) == before
    (folder / "a").write_text("changed")
    assert content_hash(linked) != before
