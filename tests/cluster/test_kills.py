"""A search that is killed again and again ends as one that never was."""

import random
import time

import pytest
from helpers.search_process import finished, members, runs, wait_for

from automl.engine.searches import open_study
from automl.home import Home
from automl.space import space_file

NUM_KILLS, NUM_TRIALS = 10, 24
SETS = ["--set", "model=MLP", "--set", "recipe.train.epochs=8"]


def story(home):
    """What a search did: every trial, and how it ended."""
    study = open_study(Home(home), "kills")
    return [
        (record.id.number, record.params, outcome(record.result))
        for record in [*study.records(), *study.refits()]
    ]


def outcome(result):
    figures = result.measurement and (result.measurement.quality, result.measurement.size_bytes)
    return result.status, result.reason, figures


def written(home):
    """Bytes of the study's journal."""
    journal = Home(home).study("kills") / "journal.log"
    return journal.stat().st_size if journal.exists() else 0


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_ten_kills_change_nothing(start, tmp_path):
    text = space_file.find("digits").read_text()
    space = tmp_path / "kills.py"
    space.write_text(text.replace('"size_bytes", "latency_ms")', '"size_bytes")'))
    once = ["search", str(space), "--trials", str(NUM_TRIALS), "--concurrency", "1", *SETS]
    once += ["--refit-minutes", "0"]
    whole = tmp_path / "whole"
    process = start(*once, home=whole)
    assert process.wait(400) == 0, process.stderr.read()
    rng = random.Random(0)
    process = start(*once)
    for kill in range(NUM_KILLS):
        # At a random moment after some more of the study was written.
        size = written(tmp_path) + rng.randrange(1_000, 12_000)
        wait_for(lambda size=size: written(tmp_path) > size)
        time.sleep(rng.uniform(0, 1))
        process.kill()
        process.wait()
        wait_for(lambda session=process.pid: not members(session))
        print(f"kill {kill}: {len(finished(tmp_path, 'kills'))} trials have ended")
        process = start("resume", "kills")
    assert process.wait(400) == 0, process.stderr.read()
    assert story(tmp_path) == story(whole)
    parent, children = runs(tmp_path)
    assert parent.info.status == "FINISHED"
    assert sorted(run.data.tags["automl.trial_id"] for run in children) == [
        f"{number:04d}" for number in range(NUM_TRIALS)
    ]
    assert {run.info.status for run in children} == {"FINISHED"}
