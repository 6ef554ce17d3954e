import os
import shutil
import subprocess
import sys

import pytest
from helpers.small_study import complete, end, make_study
from optuna.storages.journal import JournalFileSymlinkLock

from automl.errors import UserError
from automl.study import run_lock
from automl.study.layout import JOURNAL
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.trial_id import TrialId

HOLD = """
import sys, time
from pathlib import Path
from automl.study import run_lock

with run_lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_live_run_holds_a_study(tmp_path):
    assert not run_lock.is_held(tmp_path)
    with run_lock.hold(tmp_path):
        assert run_lock.is_held(tmp_path)
        with (
            pytest.raises(UserError, match="being searched by another run"),
            run_lock.hold(tmp_path),
        ):
            pass
    assert not run_lock.is_held(tmp_path)


def test_a_killed_run_holds_nothing(tmp_path):
    """Neither the study nor Optuna's own lock, which a process leaves behind when it dies."""
    study = make_study(tmp_path, complete(0.9, 1000))
    command = [sys.executable, "-c", HOLD, str(study.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="automl stop mine"), run_lock.hold(study.folder):
            pass
        JournalFileSymlinkLock(str(study.folder / JOURNAL)).acquire()
        run.kill()
    assert not run_lock.is_held(study.folder)
    assert [path for path in study.folder.iterdir() if path.is_symlink()]
    with run_lock.hold(study.folder):
        assert run_lock.is_held(study.folder)
        assert not [path for path in study.folder.iterdir() if path.is_symlink()]
        study.set_attribute("state", "interrupted")
    assert len(Study(study.folder).records()) == 1


def test_a_journal_cut_off_anywhere_is_written_on(tmp_path):
    """Whether the study was opened before it is held or after."""
    study = make_study(tmp_path, complete(0.9, 1000))
    started_at = (study.folder / JOURNAL).stat().st_size
    record = TrialRecord(TrialId(1), {}, {})
    study.start(record)
    end(study, record, complete(0.95, 2000))
    written = (study.folder / JOURNAL).read_bytes()
    for length in range(started_at, len(written), 5):
        folder = tmp_path / f"cut-{length}"
        shutil.copytree(study.folder, folder)
        os.truncate(folder / JOURNAL, length)
        early = Study(folder)
        kept = early.records()
        assert kept[0].result == complete(0.9, 1000)
        with run_lock.hold(folder):
            again = early if length % 2 else Study(folder)
            assert again.records() == kept
            if len(kept) == 1:
                again.start(record)
            end(again, record, complete(0.8, 500))
        results = [record.result for record in Study(folder).records()]
        assert results == [complete(0.9, 1000), complete(0.8, 500)]
