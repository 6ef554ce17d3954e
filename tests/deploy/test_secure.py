"""Secure by default: who gets in, and with what."""

import re
import subprocess

import yaml
from helpers import deployed_files as check
from helpers.deployed_files import DEPLOY


def compose():
    return yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())


def test_only_this_machine_reaches_what_compose_publishes():
    text = (DEPLOY / "compose" / "compose.yaml").read_text()
    assert check.compose(text.replace('"127.0.0.1:5000:5000"', '"5000:5000"'))
    services = compose()["services"]
    published = {name for name, service in services.items() if "ports" in service}
    assert published == {"mlflow", "head", "grafana"}
    for name in ("postgres", "store", "prometheus"):
        assert services[name]["networks"] == ["inside"]


def test_a_secret_with_a_default_is_found():
    text = (DEPLOY / "compose" / "compose.yaml").read_text()
    open_door = text.replace(
        "${RAY_AUTH_TOKEN:?make one, see .env.example}", "${RAY_AUTH_TOKEN:-x}"
    )
    assert any("has a secret" in fault for fault in check.compose(open_door))


def test_the_ray_in_every_file_asks_for_a_token():
    for service in ("head", "worker", "worker-gpu"):
        assert compose()["services"][service]["environment"]["RAY_AUTH_MODE"] == "token"
    cluster = yaml.safe_load((DEPLOY / "kuberay" / "raycluster.yaml").read_text())["spec"]
    job = yaml.safe_load((DEPLOY / "kuberay" / "rayjob.yaml").read_text())["spec"]
    for spec in (cluster, job["rayClusterSpec"]):
        assert spec["authOptions"] == {"mode": "token"}
    for name in ("slurm/automl.sbatch", "vm/cluster.yaml", "vm/skypilot.yaml"):
        assert "RAY_AUTH_MODE=token" in (DEPLOY / name).read_text()


def test_a_policy_that_lets_everybody_in_is_found():
    text = (DEPLOY / "kuberay" / "network.yaml").read_text()
    first = text.index("    - from:")
    assert check.kubernetes(text[:first] + "    - {}\n" + text[first:])


def test_the_tracking_server_is_the_same_in_both_files():
    (deployment, *_) = yaml.safe_load_all((DEPLOY / "mlflow" / "mlflow.yaml").read_text())
    args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    here = compose()["services"]["mlflow"]["command"]
    assert [arg for arg in args if "artifacts" not in arg] == [
        arg for arg in here if "artifacts" not in arg
    ]
    assert "--app-name=basic-auth" in args


def test_jobs_that_are_run_again_go_on_with_their_search():
    job = yaml.safe_load((DEPLOY / "kuberay" / "rayjob.yaml").read_text())["spec"]
    commands = [job["entrypoint"]]
    for name in ("slurm/automl.sbatch", "vm/skypilot.yaml"):
        text = (DEPLOY / name).read_text().replace("\\\n", " ")
        commands += re.findall(r"automl search \"?\$.*", text)
    assert len(commands) == 3
    for command in commands:
        assert "--resume-if-exists" in command and "--name" in command and "--home" in command


RAY = """#!/usr/bin/env bash
# A stand-in for Ray: a head that answers once it has begun, and stays until it is ended.
case "$1" in
    start)
        trap 'mv "$HOME/ray-runs" "$HOME/ray-ended"; exit' TERM
        touch "$HOME/ray-runs"
        while sleep 0.1; do :; done ;;
    health-check) test -e "$HOME/ray-runs" ;;
esac
"""
SEARCH = """#!/usr/bin/env bash
# A stand-in for automl that goes on with what is in the home, and ends as a search that failed.
while [ "$1" != --home ]; do shift; done
mkdir -p "$2/studies/digits"
echo "a trial" >> "$2/studies/digits/journal.log"
test -e "$HOME/ray-runs" || exit 4
touch "$2/mlflow.db" "$2/studies/digits/mlflow.jsonl" "$2/studies/digits/mlflow.delivered"
exit 3
"""


def test_a_job_on_another_spot_machine_goes_on_from_the_copy_in_the_bucket(tmp_path):
    job = yaml.safe_load((DEPLOY / "vm" / "skypilot.yaml").read_text())
    bucket, programs = tmp_path / "bucket", tmp_path / "programs"
    bucket.mkdir()
    programs.mkdir()
    for name, text in (("automl", SEARCH), ("ray", RAY)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (mount,) = job["file_mounts"]
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "SKYPILOT_NODE_IPS": "10.0.0.5",
        "SKYPILOT_NODE_RANK": "0",
        "SKYPILOT_NUM_GPUS_PER_NODE": "1",
        "BUCKET": "ours",
        "SPACE": "digits",
        "TRIALS": "9",
    }
    script = job["run"].replace(f"{mount}/", f"{bucket}/")
    for machine in ("first", "second"):
        environment["HOME"] = str(tmp_path / machine)
        (tmp_path / machine).mkdir()
        done = subprocess.run(["bash", "-c", script], env=environment, timeout=60)
        assert done.returncode == 3
        assert (tmp_path / machine / "ray-ended").exists(), "workers wait for the head's Ray"
    home = tmp_path / "second" / "automl-home"
    assert (home / "studies" / "digits" / "journal.log").read_text() == "a trial\na trial\n"
    kept = subprocess.run(["tar", "-tf", bucket / "home.tar.gz"], capture_output=True, text=True)
    files = [name for name in kept.stdout.splitlines() if not name.endswith("/")]
    assert sorted(files) == ["./studies/digits/journal.log", "./studies/digits/mlflow.jsonl"]


SRUN = """#!/usr/bin/env bash
# A stand-in for Slurm's srun and scontrol that writes down how it was called, and runs the search.
echo "$(basename "$0") $* | $RAY_ADDRESS $RAY_AUTH_MODE ${#RAY_AUTH_TOKEN} $AUTOML_HOME" >> "$CALLS"
[ "$1" = --kill-on-bad-exit=1 ] || exit 0
shift
exec "$@"
"""
SYMMETRIC_RUN = """#!/usr/bin/env bash
# A stand-in for `ray symmetric-run`, which ends with 0 where a step has less GPUs than it is told.
while [ "$1" != -- ]; do [ "$1" = --num-gpus ] && gpus=$2; shift; done
[ "$gpus" -le "${SLURM_GPUS_PER_NODE:-0}" ] && [ -z "$FAILS" ] || exit 0
shift
exec "$@"
"""


def run_sbatch(tmp_path, *words, **more):
    stand_ins = {"srun": SRUN, "scontrol": SRUN, "ray": SYMMETRIC_RUN}
    stand_ins["automl"] = '#!/bin/sh\nexit "${CODE:-0}"\n'
    for name, text in stand_ins.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "CALLS": str(tmp_path / "calls"),
        "AUTOML_HEAD": "10.0.0.5",
        "SLURM_JOB_ID": "77",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_ON_NODE": "8",
        "SLURM_GPUS_ON_NODE": "8",
        "SLURM_GPUS_PER_NODE": "1",
        "SLURM_SUBMIT_DIR": str(tmp_path),
        **more,
    }
    script = str(DEPLOY / "slurm" / "automl.sbatch")
    done = subprocess.run(
        ["bash", script, *words], env=environment, capture_output=True, text=True, timeout=60
    )
    calls = tmp_path / "calls"
    return done, calls.read_text().splitlines() if calls.exists() else []


def test_a_slurm_job_runs_the_search_with_a_token_of_its_own(tmp_path):
    done, (run, tidy) = run_sbatch(tmp_path, "my space.py", "--trials", "9")
    assert done.returncode == 0, done.stderr
    assert run.endswith(f"| 10.0.0.5:20077 token 64 {tmp_path}/automl-home")
    assert "--name slurm-77 --resume-if-exists --address 10.0.0.5:20077" in run
    assert "automl search my space.py" in run and "--trials 9 |" in run
    assert "rm -rf -- /tmp/ray-77" in tidy


def test_a_slurm_job_that_runs_no_search_fails(tmp_path):
    done, _ = run_sbatch(tmp_path, "digits")
    assert done.returncode == 0
    done, _ = run_sbatch(tmp_path, "digits", FAILS="1")
    assert done.returncode == 1 and "no search was run" in done.stderr


def test_a_slurm_job_ends_as_its_search_did(tmp_path):
    done, _ = run_sbatch(tmp_path, "digits", CODE="2")
    assert done.returncode == 2
    done, _ = run_sbatch(tmp_path)
    assert done.returncode == 2 and "usage" in done.stderr
