import subprocess
import sys

from helpers.search_process import members, wait_for

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
