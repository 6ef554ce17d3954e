"""The Slurm job of deploy/, on a Slurm of two nodes."""

import pytest
from helpers.deployed_files import DEPLOY
from helpers.search_process import finished
from helpers.slurm import Slurm, why_not

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SHORT = ("--set", "model=MLP", "--set", "recipe.train.epochs=2", "--refit-minutes", "0")
ENDED = "COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "CANCELLED"


@pytest.fixture
def slurm():
    if why := why_not():
        pytest.skip(why)
    with Slurm() as slurm:
        yield slurm


def test_a_job_over_two_nodes_that_its_scheduler_kills_goes_on_and_ends(slurm, tmp_path):
    submit = ("sbatch", "--parsable", "--gpus-per-node=0", DEPLOY / "slurm" / "automl.sbatch")
    job = slurm.run(*submit, "digits", "--trials", "8", *SHORT, cwd=tmp_path).strip()
    home, name, log = tmp_path / "automl-home", f"slurm-{job}", tmp_path / f"automl-{job}.log"

    def said():
        return log.read_text()[-4000:] if log.exists() else slurm.logs()

    def state():
        return slurm.run("scontrol", "show", "job", job).split("JobState=")[1].split()[0]

    def has_finished():
        assert state() not in ENDED, said()
        return finished(home, name)

    slurm.wait(has_finished, 300)
    slurm.run("scontrol", "requeue", job)
    slurm.wait(lambda: state() == "PENDING", 120)
    before = finished(home, name)
    assert 0 < len(before) < 8
    # Slurm lets a job that is queued again wait for two minutes.
    slurm.run("scontrol", "update", f"JobId={job}", "StartTime=now")
    slurm.wait(lambda: state() in ENDED, 400)
    assert state() == "COMPLETED", said()
    after = finished(home, name)
    assert sorted(after) == list(range(8))
    assert {number: after[number] for number in before} == before
    assert log.read_text().count(f"searching {name}: 2 trials at once") == 2
