import resource
import sys

import pytest
import torch

from automl.training.cpu_process import keep_freed_memory


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_freed_memory_serves_the_next_tensor():
    assert keep_freed_memory()
    pages_of_one = torch.ones(2**21).nbytes // resource.getpagesize()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(2**21)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 5 * pages_of_one
