import os
import platform
import subprocess
import sys

import ray

WAITS_FOR_TRIALS = """
import os, sys, time
from automl.cluster import own_ray, ray_patches, session
from automl.cluster.measurer import Measurer
import psutil
import ray
from ray.tune.execution.class_cache import _ActorClassCache

class Worker:
    def look(self):
        return psutil.Process().create_time(), "automl.cluster.actor" in sys.modules

def modules(measurer):
    return "torch" in sys.modules

own_ray.begin(preloads=True)
assert own_ray.is_begun()
with session.connected(None, preloads=True):
    assert session.has_preloaded() and not own_ray.is_begun()
    asked = time.time()
    with ray_patches.actors_in_waiting_workers():
        worker = _ActorClassCache().get(Worker).remote()
    begun, is_loaded = ray.get(worker.look.remote())
    measurer = Measurer.remote("memory://measurer", "", None)
    has_torch = ray.get(measurer.__ray_call__.remote(modules))
    print(begun < asked, is_loaded, has_torch)
assert not (session.has_preloaded() or own_ray.is_begun() or ray.is_initialized())
"""

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

OF_ANOTHER_RAY = """
import ray
ray.__version__ = "1.2.3"
from automl.cli.app import main
main()
"""


def test_a_cluster_of_another_ray_is_refused_with_both_versions(ray_session, tmp_path):
    address = ray.get_runtime_context().gcs_address
    doctor = ("doctor", "--address", address, "--home", tmp_path)
    command = [sys.executable, "-c", OF_ANOTHER_RAY, *map(str, doctor)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    there, here = (
        f"{one} on Python {platform.python_version()}" for one in (ray.__version__, "1.2.3")
    )
    assert f"runs Ray {there}, and this machine Ray {here};" in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1


def test_a_lost_worker_is_not_told_on_standard_output(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LOSES_A_WORKER],
        cwd=tmp_path,
        env={**os.environ, "RAY_DEDUP_LOGS": "0"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "the result\n", done.stderr


def test_trials_begin_in_workers_that_have_waited_and_loaded_what_they_need(tmp_path):
    """A Ray that was begun before starts them at once; the measurer, which runs no trials, does not
    load torch."""
    done = subprocess.run(
        [sys.executable, "-c", WAITS_FOR_TRIALS], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "True True False\n", done.stderr
