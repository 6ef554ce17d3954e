import os
import subprocess
import sys

import pytest

FAULTS_OF_STEPS = """
import resource, sys, torch
from automl.training.cpu_process import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    held = [torch.ones(2**21) for _ in range(8)]

for _ in range(8):
    step()
before = faults()
for _ in range(4):
    step()
print(faults() - before)
"""


GIVES_ALL_BACK = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=131072"}
"""Else it depends on what else a process has allocated whether glibc gives tensors back."""


def faults_of_steps(how):
    """The pages that four training steps ask the system for, in a process that began afresh."""
    command = [sys.executable, "-c", FAULTS_OF_STEPS, how]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | GIVES_ALL_BACK)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_freed_memory_serves_the_tensors_of_the_next_step():
    assert faults_of_steps("kept") < faults_of_steps("given back") / 4
