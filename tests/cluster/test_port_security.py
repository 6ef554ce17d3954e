"""Who gets into a cluster: tokens, open ports, and searches sent to one as jobs."""

import json
import time

import pytest
from helpers.raylets import TOKEN, Cluster, automl, free_port

from automl.cluster import port_security, session
from automl.engine.searches import open_study
from automl.errors import UserError
from automl.home import Home

SMALL = ("--trials", 2, "--set", "model=MLP", "--set", "recipe.train.epochs=2")


@pytest.fixture
def head(tmp_path):
    with Cluster(tmp_path / "raylets") as cluster:
        cluster.add()
        yield cluster


def test_a_wrong_or_missing_token_is_one_sentence_within_seconds(head, monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    session.probe(head.address)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    with pytest.raises(UserError, match="asks for a token and refuses the one"):
        session.probe(head.address)
    environment = {**head.environment, "HOME": str(tmp_path), "RAY_AUTH_MODE": "token"}

    def doctor(token):
        given = {k: v for k, v in environment.items() if k != "RAY_AUTH_TOKEN"}
        given |= {"RAY_AUTH_TOKEN": token} if token else {}
        started = time.monotonic()
        done = automl("doctor", "--address", head.address, cwd=tmp_path, env=given)
        return done, time.monotonic() - started

    _, usual_seconds = doctor(TOKEN)
    for token, why in (("wrong", "refuses the one"), (None, "this user has none")):
        done, seconds = doctor(token)
        assert done.returncode == 2 and why in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1
        assert seconds < usual_seconds + 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("token", "state"), [(TOKEN, "asks for a token"), ("", "asks for no token")]
)
def test_open_ports_are_named_and_an_unprotected_head_is_told(tmp_path, token, state):
    dashboard = free_port()
    with Cluster(tmp_path / "raylets", token=token, dashboard_port=dashboard) as cluster:
        cluster.add()
        found = port_security.findings(["127.0.0.1"], cluster.port, dashboard)
    for port in (cluster.port, dashboard):
        assert state in found[f"127.0.0.1:{port}"]
        assert ("RAY_AUTH_MODE=token" in found[f"127.0.0.1:{port}"]) == (not token)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_search_is_submitted_and_followed_from_a_laptop(tmp_path):
    dashboard, home = free_port(), tmp_path / "shared"
    address = f"http://127.0.0.1:{dashboard}"
    laptop = tmp_path / "laptop"
    laptop.mkdir()
    (laptop / "points.json").write_text(json.dumps([{"recipe.train.optimizer": "AdamW"}]))
    with Cluster(tmp_path / "raylets", dashboard_port=dashboard) as cluster:
        cluster.add(num_cpus=2)

        def submit(*options, **environment):
            arguments = ("submit", "digits", "--address", address, "--home", home, *options)
            return automl(*arguments, cwd=laptop, env={**cluster.environment, **environment})

        done = submit(*SMALL, "--initial-points", "points.json", "--refit-minutes", 0)
        assert done.returncode == 0, done.stderr + done.stdout
        assert done.stderr.count("\n") == 1, done.stderr
        assert "trial 0001" in done.stdout and "the search has ended" in done.stdout
        records = open_study(Home(home), "digits").records()
        assert len(records) == 2
        assert {record.result.status for record in records} <= {"complete", "rejected"}
        failed = submit("--trials", 2, "--set", "model=Nonsense")
        assert failed.returncode == 2 and "Nonsense" in failed.stdout
        assert submit("--no-such-option").returncode == 2
        started = time.monotonic()
        refused = submit(*SMALL, RAY_AUTH_TOKEN="wrong")
        assert time.monotonic() - started < 15
        assert refused.returncode == 2 and "does not let this user in" in refused.stderr
