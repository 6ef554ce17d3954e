"""A cluster whose nodes have networks of their own, and a job that is sent to it from outside."""

import subprocess

import pytest
from helpers.networks import Networks, why_none
from helpers.raylets import BIN, Cluster, automl, free_port, kill
from helpers.search_process import finished, wait_for

from automl.engine.searches import open_study
from automl.home import Home

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NETWORK = "10.78.0"
SETS = ("--set", "model=MLP", "--set", "recipe.train.epochs=200")
LASTING = (*SETS, "--no-early-stopping", "--refit-minutes", "0")
"""Trials of some seconds each: the host that is killed is to be at work."""


@pytest.fixture
def networks():
    if why := why_none():
        pytest.skip(why)
    with Networks(NETWORK, (1, 2), here=254) as networks:
        yield networks


def test_a_job_goes_on_when_one_of_two_hosts_is_killed(networks, tmp_path):
    dashboard, home = free_port(), tmp_path / "home"
    address = f"http://{NETWORK}.1:{dashboard}"
    submit = ("submit", "digits", "--address", address, "--home", home, "--trials", "8", *LASTING)
    with Cluster(tmp_path / "raylets", network=NETWORK, dashboard_port=dashboard) as cluster:
        cluster.add(f"--dashboard-host={NETWORK}.1", prefix=networks.enter(1))
        # Two nodes in one folder would clear away what the other one runs.
        own = (
            "unshare",
            "-m",
            "sh",
            "-c",
            f'mount -t tmpfs none {cluster.sockets.name} && exec "$@"',
        )
        cluster.add(prefix=(*networks.enter(2), *own, "sh"))
        environment = {**cluster.environment, "HOME": str(tmp_path)}
        environment.pop("RAY_AUTH_TOKEN")
        for token in ({}, {"RAY_AUTH_TOKEN": "wrong"}):
            refused = automl(*submit, cwd=tmp_path, env={**environment, **token})
            assert refused.returncode == 2 and "does not let this user in" in refused.stderr
        with (tmp_path / "log").open("w") as log:
            job = subprocess.Popen(
                [BIN / "automl", *map(str, submit)], env=cluster.environment, stdout=log, stderr=log
            )
        wait_for(lambda: job.poll() is not None or len(finished(home)) > 1)
        assert job.poll() is None, (tmp_path / "log").read_text()
        kill(cluster.nodes[1])
        networks.cut(2)
        before = finished(home)
        assert job.wait(400) == 0, (tmp_path / "log").read_text()
    records = open_study(Home(home), "digits").records()
    assert [record.id.number for record in records] == list(range(8))
    assert {record.result.status for record in records} <= {"complete", "rejected"}
    after = finished(home)
    assert {number: after[number] for number in before} == before
    notes = " ".join(note for record in records for note in record.result.notes)
    assert "it went on from its checkpoint" in notes
