import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from automl.training.cpu_process import keep_freed_memory

assert keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
pages_of_one, before = torch.ones(2**21).nbytes // resource.getpagesize(), faults()
for _ in range(20):
    torch.ones(2**21)
print((faults() - before) / pages_of_one)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_freed_memory_serves_the_next_tensor():
    """In a process of its own: the setting stays, and a heap that has served tests has holes."""
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 5
