import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from helpers.datasets import write_images

from automl.data import arrays, dataset, decoding, progress, rows_in_place
from automl.data.decoding import decoded_rows
from automl.data.image_folder import ImageFolder
from automl.data.rows_in_place import RowsInPlace
from automl.errors import UserError

KILLED = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
from automl.data import arrays, decoding

arrays.CHUNK_BYTES, decoding.KEEP_SECONDS, decoding.NUM_THREADS = 4, -1.0, 1

def decode(row):
    if row == 25:
        finished = Path(sys.argv[1]) / decoding.FINISHED_FILE
        while not finished.exists() or np.load(finished).sum() < 6:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    return np.full(1, row, np.uint8)

decoding.decoded_rows("a set", Path(sys.argv[1]), 40, decode)
"""


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 4)


def number(row):
    return np.full(1, row, np.uint8)


def test_rows_are_decoded_by_several_threads_into_their_places(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "NUM_THREADS", 3)
    both = threading.Barrier(3)

    def decode(row):
        if row in (4, 8, 12):
            both.wait(10)
        return number(row)

    rows = decoded_rows("a set", tmp_path, 41, decode)
    assert rows[:, 0].tolist() == list(range(41))


def test_what_was_finished_before_a_kill_is_not_decoded_again(tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert killed.returncode == -signal.SIGKILL
    again = []
    rows = decoded_rows("a set", tmp_path, 40, lambda row: again.append(row) or number(row))
    assert rows[:, 0].tolist() == list(range(40))
    assert sorted(again) == [0, *range(24, 40)]


def test_the_first_of_bad_rows_is_told(tmp_path):
    def decode(row):
        if row in (7, 30):
            raise UserError(f"row {row} is bad")
        return number(row)

    with pytest.raises(UserError, match="row 7 is bad"):
        decoded_rows("a set", tmp_path, 40, decode)


def test_a_disk_that_is_too_small_is_told_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: os.terminal_size)
    monkeypatch.setattr(os.terminal_size, "free", 4e9, raising=False)
    asked = []

    def decode(row):
        asked.append(row)
        return np.zeros(10**6, np.uint8)

    message = (
        r"a set: its rows take 5.2 GB in .*, where 4 GB are free; make room, or choose a --home"
    )
    with pytest.raises(UserError, match=message):
        decoded_rows("a set", tmp_path / "new", 4000, decode)
    assert asked == [0]


def test_progress_is_told_in_lines(tmp_path, monkeypatch, capsys):
    decoded_rows("a set", tmp_path / "quick", 40, number)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    decoded_rows("a set", tmp_path / "slow", 40, number)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("a set: decoding: 4 of 40, about ")
    assert lines[-1] == "a set: decoding: 40 of 40, about 0 s left"


def test_large_sets_of_images_are_decoded_once_for_all_splits(tmp_path, monkeypatch):
    monkeypatch.setattr(rows_in_place, "MAX_COPIED_BYTES", 0)
    config, cache = ImageFolder(write_images(tmp_path / "images", "ab", 8)), tmp_path / "cache"
    first = dataset.load(config, 0, cache).train
    monkeypatch.setattr("automl.data.image_folder.decoded_aloud", lambda *_: np.zeros((3, 8, 8)))
    second = dataset.load(config, 1, cache).train
    assert isinstance(second.inputs, RowsInPlace)
    assert first.inputs.source.filename == second.inputs.source.filename
    expected = dict(zip(first.rows.tolist(), first.inputs[:], strict=True))
    for row, pixels in zip(second.rows.tolist(), second.inputs[:], strict=True):
        if row in expected:
            assert np.array_equal(pixels, expected[row])


def test_what_another_version_decoded_is_decoded_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(rows_in_place, "MAX_COPIED_BYTES", 0)
    config, cache = ImageFolder(write_images(tmp_path / "images", "ab", 8)), tmp_path / "cache"
    with monkeypatch.context() as earlier:
        earlier.setattr(dataset, "CACHE_VERSION", dataset.CACHE_VERSION - 1)
        before = dataset.load(config, 0, cache).train.inputs
    now = dataset.load(config, 0, cache).train.inputs
    assert before.source.filename != now.source.filename


def test_what_was_decoded_goes_when_it_was_copied_or_cannot_be_used(tmp_path):
    cache = tmp_path / "cache"
    dataset.load(ImageFolder(write_images(tmp_path / "images")), 0, cache)
    with pytest.raises(UserError, match="two are needed"):
        dataset.load(ImageFolder(write_images(tmp_path / "one", "a", 20)), 0, cache)
    assert not list(cache.glob("*.loaded"))
