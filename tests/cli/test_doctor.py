"""The findings of `automl doctor`."""

import os

import pytest
from helpers.command import automl, object_of

from automl.cli import doctor


def test_doctor_tells_the_plan(tmp_path):
    findings = object_of(automl("doctor", "--json", cwd=tmp_path))
    cpus = os.cpu_count()
    held = f"trials that the nodes hold: {cpus} on a node of {cpus} CPUs"
    assert findings["plan"] == f"{cpus} trials at once, each with 1 CPU; {held}"


@pytest.mark.parametrize("address", [None, "auto", "local"])
def test_open_ports_are_looked_for_without_an_address_too(address):
    assert doctor._open_ports(address)
