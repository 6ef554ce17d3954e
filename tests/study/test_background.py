"""A thread that does work in order."""

import resource
import threading
from dataclasses import replace

import pytest
from helpers.small_study import complete, end, make_study

from automl.study.background import BackgroundThread
from automl.study.layout import JOURNAL
from automl.study.study import Study


def test_nothing_is_done_behind_what_raised():
    done, goes_on, thread = [], threading.Event(), BackgroundThread("test")

    def fail():
        goes_on.wait()
        raise OSError("the disk is full")

    thread(done.append, 1)
    thread(fail)
    thread(done.append, 2)
    goes_on.set()
    with pytest.raises(OSError, match="full"):
        thread.close()
    assert done == [1]


def test_a_search_whose_disk_was_full_goes_on_from_what_was_written(tmp_path):
    study = make_study(tmp_path, complete(0.9, 1000), None)
    running, size = study.records()[1], (study.folder / JOURNAL).stat().st_size
    ended, thread = replace(running, result=complete(0.95, 3000)), BackgroundThread("study")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 200, before[1]))
    try:
        first = thread(study.end, ended)
        assert isinstance(first.exception(), OSError)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with pytest.raises(OSError, match="too large"):
        thread(study.set_attribute, "seconds", 1.0)
    thread(study.set_attribute, "seconds", 1.0)
    with pytest.raises(OSError, match="too large"):
        thread.close()
    again = Study(study.folder)
    assert again.records()[1].result is again.attribute("seconds") is None
    end(again, again.records()[1], complete(0.95, 3000))
    assert Study(study.folder).records()[1].result == complete(0.95, 3000)
