import sys

import numpy as np
import pytest

from automl.cluster.process_usage import ProcessUsage, UsageFigures


def test_processor_seconds_count_from_the_start():
    usage = ProcessUsage()
    before = usage.figures().cpu_seconds
    sum(range(2_000_000))
    assert 0 <= before < usage.figures().cpu_seconds


@pytest.mark.skipif(sys.platform != "linux", reason="others cannot tell the peak of one trial")
def test_the_peak_of_memory_is_that_since_the_start():
    blob = np.ones(400 * 2**20, np.uint8)
    with_blob = ProcessUsage().figures().peak_memory_mb
    del blob
    assert ProcessUsage().figures().peak_memory_mb < with_blob - 300


def test_what_the_system_cannot_tell_is_left_out():
    assert UsageFigures(1.5, None).by_name() == {"cpu_seconds": 1.5}
