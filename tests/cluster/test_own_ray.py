import inspect
import subprocess
import sys

from helpers.search_process import members, wait_for
from ray._private import node

from automl.cluster import own_ray

LEAVES = """
import time
from pathlib import Path
from automl.cluster import own_ray

own_ray.begin(preloads=False)
while not any(file.read_text() for file in Path("/proc/self/task").glob("*/children")):
    time.sleep(0.02)
own_ray.leave(2)
"""


def test_a_process_that_ends_while_its_ray_starts_leaves_no_other(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", LEAVES], cwd=tmp_path, start_new_session=True)
    assert process.wait() == 2
    wait_for(lambda: members(process.pid) == [], seconds=10)


SLOW = """
import ray
from automl.cluster import own_ray

init, failed = ray.init, []

def too_slow_once(**options):
    if not failed:
        failed.append(options)
        raise Exception(own_ray.SLOW_START + ".")
    return init(**options)

ray.init = too_slow_once
with own_ray.used(preloads=False):
    print(len(failed), ray.is_initialized())
"""


def test_a_ray_that_a_busy_machine_started_too_slowly_is_started_again(tmp_path):
    said = subprocess.run(
        [sys.executable, "-c", SLOW], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout == "1 True\n"


def test_rays_words_on_a_slow_start_are_those_that_are_looked_for():
    assert own_ray.SLOW_START in inspect.getsource(node.Node)
