"""The searches of a cluster, as its dashboard tells them to colleagues."""

import json
import os
import subprocess
import sys
import time

import pytest
from helpers.command import automl
from helpers.raylets import Cluster, free_port

from automl.cluster.running_searches import running
from automl.errors import UserError

HELD = """
import sys, time
import ray
from automl.cluster.running_searches import announced
ray.init(sys.argv[1], log_to_driver=False)
with announced("digits", "ann", "/shared/automl"):
    print("up", flush=True)
    sys.stdin.read()
"""


def test_an_address_that_is_no_dashboard_is_told():
    with pytest.raises(UserError, match=r"--address 10\.0\.0\.1:6379 is no dashboard"):
        running("10.0.0.1:6379")


def test_a_dashboard_that_does_not_answer_is_told():
    with pytest.raises(UserError, match="does not answer"):
        running(f"http://127.0.0.1:{free_port()}")


@pytest.mark.slow
def test_a_search_is_listed_while_it_runs_and_no_longer(tmp_path):
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with Cluster(tmp_path / "raylets", dashboard_port=port) as cluster:
        cluster.add(num_cpus=2)

        def listed(**environment):
            words = ("list", "--address", address, "--json")
            return automl(*words, cwd=tmp_path, **{**cluster.environment, **environment})

        with subprocess.Popen(
            [sys.executable, "-c", HELD, cluster.address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **cluster.environment},
        ) as search:
            assert search.stdout.readline() == b"up\n"
            [found] = json.loads(listed().stdout)["searches"]
            refused = listed(RAY_AUTH_TOKEN="wrong")
            search.kill()
        assert (found["search"], found["user"], found["home"]) == (
            "digits",
            "ann",
            "/shared/automl",
        )
        assert found["since"].startswith(time.strftime("%Y-%m-"))
        assert refused.returncode == 2 and "does not let this user in" in refused.stderr
        deadline = time.monotonic() + 60
        while json.loads(listed().stdout)["searches"]:
            assert time.monotonic() < deadline, "a search that died is still listed"
