"""A cluster of two raylets with working directories of their own."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

SPACE = Path(__file__).parent / "two_rings.py"
BIN = Path(sys.executable).parent


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def write_rings(path):
    rng = np.random.default_rng(0)
    targets = np.arange(1200) % 2
    angles, radii = rng.uniform(0, 2 * np.pi, 1200), 1 + targets + 0.1 * rng.normal(size=1200)
    rows = np.stack([targets, radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    np.save(path, rows)


@pytest.fixture
def cluster(tmp_path):
    """An address, and the environment that reaches it; one CPU on each raylet."""
    port, environment = free_port(), {**os.environ, "RAY_AUTH_MODE": "token"}
    environment["RAY_AUTH_TOKEN"] = "of-this-test-alone"
    address, raylets = f"127.0.0.1:{port}", []
    with tempfile.TemporaryDirectory(prefix="ray") as sockets:  # tmp_path is too long for them
        head = f"--head --port={port} --include-dashboard=false --temp-dir={sockets}"
        try:
            for number, options in enumerate((head, f"--address={address}")):
                raylets.append(start_raylet(options, tmp_path / f"node{number}", environment))
                wait_for_nodes(address, environment, number + 1)
            yield address, environment
        finally:
            for raylet in reversed(raylets):
                raylet.terminate()
                raylet.wait(timeout=60)


def start_raylet(options, place, environment):
    place.mkdir()
    common = "--num-cpus=1 --block --disable-usage-stats --node-ip-address=127.0.0.1"
    with (place / "log").open("w") as log:
        return subprocess.Popen(
            [BIN / "ray", "start", *options.split(), *common.split()],
            cwd=place,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def wait_for_nodes(address, environment, count):
    code = (
        "import ray, sys; ray.init(sys.argv[1], log_to_driver=False);"
        "sys.exit(sum(node['Alive'] for node in ray.nodes()) < int(sys.argv[2]))"
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        command = [sys.executable, "-c", code, address, str(count)]
        with contextlib.suppress(subprocess.TimeoutExpired):
            if not subprocess.run(
                command, env=environment, timeout=60, capture_output=True
            ).returncode:
                return
        time.sleep(1)
    raise AssertionError(f"no {count} nodes at {address}")


def automl(*arguments, cwd, env):
    command = [BIN / "automl", *map(str, arguments), "--json"]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_users_own_space_is_searched_on_two_raylets_and_exported(cluster, tmp_path):
    address, environment = cluster
    place = tmp_path / "project"
    place.mkdir()
    shutil.copy(SPACE, place)
    write_rings(place / "rings.npy")
    searched = automl(
        *("search", "two_rings.py", "--trials", 6, "--address", address, "--home", "home"),
        cwd=place,
        env=environment,
    )
    assert searched.returncode == 0, searched.stderr
    summary = json.loads(searched.stdout)
    assert summary["slots"] == 2
    assert summary["trials"]["complete"] + summary["trials"]["rejected"] == 6
    exported = automl(
        *("export", "two_rings", "--best", "accuracy", "--out", "out", "--home", "home"),
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
    address, environment = cluster
    shutil.copy(SPACE, tmp_path)
    done = automl(
        *("search", "two_rings.py", "--trials", 2, "--address", address, "--home", "home"),
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 2
    assert "there is no" in done.stderr and "rings.npy" in done.stderr
    assert not (tmp_path / "home/studies").exists()
