"""A cluster of two raylets with working directories of their own."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from helpers.raylets import Cluster, automl

SPACE = Path(__file__).parents[1] / "helpers" / "two_rings.py"


def write_rings(path):
    rng = np.random.default_rng(0)
    targets = np.arange(1200) % 2
    angles, radii = rng.uniform(0, 2 * np.pi, 1200), 1 + targets + 0.1 * rng.normal(size=1200)
    rows = np.stack([targets, radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    np.save(path, rows)


@pytest.fixture
def cluster(tmp_path):
    """Two raylets of one CPU each."""
    with Cluster(tmp_path / "raylets") as cluster:
        cluster.add()
        cluster.add()
        yield cluster


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_users_own_space_is_searched_on_two_raylets_and_exported(cluster, tmp_path):
    address, environment = cluster.address, cluster.environment
    place = tmp_path / "project"
    place.mkdir()
    shutil.copy(SPACE, place)
    write_rings(place / "rings.npy")
    searched = automl(
        *(
            "search",
            "two_rings.py",
            "--trials",
            6,
            "--address",
            address,
            "--home",
            "home",
            "--json",
        ),
        cwd=place,
        env=environment,
    )
    assert searched.returncode == 0, searched.stderr
    summary = json.loads(searched.stdout)
    assert summary["slots"] == 2
    ended = summary["trials"]
    assert ended["complete"] + ended["stopped"] + ended["rejected"] == 6 and ended["complete"]
    exported = automl(
        *("export", "two_rings", "--best", "accuracy", "--out", "out", "--home", "home", "--json"),
        cwd=place,
        env=environment,
    )
    assert exported.returncode == 0, exported.stderr
    session = onnxruntime.InferenceSession(place / "out/model.onnx")
    rows = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
    (logits,) = session.run(["logits"], {"input": rows})
    assert logits.argmax(1).tolist() == [0, 1]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_data_that_is_not_there_is_told_before_any_trial(cluster, tmp_path):
    address, environment = cluster.address, cluster.environment
    shutil.copy(SPACE, tmp_path)
    done = automl(
        *(
            "search",
            "two_rings.py",
            "--trials",
            2,
            "--address",
            address,
            "--home",
            "home",
            "--json",
        ),
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 2
    assert "there is no" in done.stderr and "rings.npy" in done.stderr
    assert not (tmp_path / "home/studies").exists()


@pytest.fixture
def apart(tmp_path):
    """A folder, and a cluster whose second raylet sees an empty one in its place."""
    hidden = tmp_path / "project"
    hidden.mkdir()
    mount = f"mount -t tmpfs none {hidden} && exec "
    if subprocess.run(["unshare", "-m", "sh", "-c", mount + "true"]).returncode:
        pytest.skip("this user cannot mount")
    with Cluster(tmp_path / "raylets") as cluster:
        cluster.add()
        cluster.add(prefix=("unshare", "-m", "sh", "-c", mount + '"$@"', "sh"))
        yield hidden, cluster


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_home_that_one_node_has_for_itself_is_refused(apart):
    hidden, cluster = apart
    done = automl(
        *("search", "digits", "--trials", 2, "--address", cluster.address, "--home", "home"),
        cwd=hidden,
        env=cluster.environment,
    )
    assert done.returncode == 2
    assert "does not reach the store" in done.stderr and "--home" in done.stderr
    assert not (hidden / "home/studies").exists()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nodes_that_share_no_path_search_through_a_store_on_s3(bucket, apart):
    hidden, cluster = apart
    done = automl(
        *("search", "digits", "--address", cluster.address, "--home", "home", "--json"),
        *("--trials", 8, "--store", f"{bucket}/models", "--refit-minutes", 0),
        cwd=hidden,
        env=cluster.environment,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["slots"] == 2
    assert summary["trials"]["complete"] and not summary["trials"]["failed"]
    exported = automl(
        *("export", "digits", "--best", "accuracy", "--out", "out", "--home", "home"),
        cwd=hidden,
        env=cluster.environment,
    )
    assert exported.returncode == 0, exported.stderr
    assert onnxruntime.InferenceSession(hidden / "out/model.onnx").get_inputs()
