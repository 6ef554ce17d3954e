"""The findings of `automl doctor`."""

import os

from helpers.command import automl, object_of


def test_doctor_tells_the_plan(tmp_path):
    findings = object_of(automl("doctor", "--json", cwd=tmp_path))
    cpus = os.cpu_count()
    held = f"trials that the nodes hold: {cpus} on a node of {cpus} CPUs"
    assert findings["plan"] == f"{cpus} trials at once, each with 1 CPU; {held}"
