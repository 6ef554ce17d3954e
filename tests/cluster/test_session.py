import os
import subprocess
import sys

LOSES_A_WORKER = """
import os, sys, time
from automl.cluster import session
import ray

@ray.remote(num_cpus=0, max_retries=0)
def die():
    os._exit(1)

with session.connected(None):
    try:
        ray.get(die.remote())
    except ray.exceptions.WorkerCrashedError:
        time.sleep(2)
        print("the result")
"""


def test_a_lost_worker_is_not_told_on_standard_output(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LOSES_A_WORKER],
        cwd=tmp_path,
        env={**os.environ, "RAY_DEDUP_LOGS": "0"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "the result\n", done.stderr
