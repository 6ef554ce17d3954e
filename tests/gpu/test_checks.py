"""The script of checks, up to the card itself: on the processor, and where no GPU is."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import run
import torch

SCRIPT = Path(__file__).with_name("check.sh")


def checked(out, *options):
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        ["bash", str(SCRIPT), str(out), *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, json.loads(out.read_text())


@pytest.mark.skipif(torch.accelerator.is_available(), reason="a GPU is here")
def test_without_a_gpu_all_is_skipped_and_nothing_fails(tmp_path):
    done, found = checked(tmp_path / "gpu.json")
    assert done.returncode == 0
    assert done.stdout == "skipped: no GPU is at hand\n"
    assert found["skipped"] == "no GPU is at hand"


def test_a_check_is_ended_when_its_time_is_up():
    def without_end(settings):
        while True:
            with contextlib.suppress(Exception):
                time.sleep(10)

    assert run.outcome_of(without_end, None, most=0.1) == {"skipped": "not done after 0.1 s"}


def test_the_checks_end_within_eight_minutes():
    assert sum(seconds for _, seconds in run.CHECKS.values()) <= 460


@pytest.mark.slow
@pytest.mark.timeout(540)
def test_every_check_runs_on_the_processor(tmp_path):
    done, found = checked(tmp_path / "gpu.json", "--device", "cpu", "--small")
    outcomes = {check["name"]: check.get("skipped", check.get("ok")) for check in found["checks"]}
    assert outcomes == {
        name: "the processor's memory cannot be made small"
        if name == "refused_where_no_row_fits"
        else True
        for name in outcomes
    }, done.stderr
    assert done.returncode == 0
    assert len(outcomes) == 12
