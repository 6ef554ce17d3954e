"""Execution providers by name."""

import onnxruntime
import pytest

from automl.errors import UserError
from automl.runtimes.providers import ENDING, is_available, provider_named


@pytest.mark.parametrize("name", ["CPU", "cpu", "CPUExecutionProvider"])
def test_a_provider_is_found_with_or_without_its_ending(name):
    assert provider_named(name) == "CPU"


def test_an_unknown_provider_is_told_with_the_nearest():
    with pytest.raises(UserError, match="unknown provider 'OpenVIN'; did you mean 'OpenVINO'"):
        provider_named("OpenVIN")


def test_a_provider_that_is_not_installed_is_told_with_its_package():
    lacking = [p for p in onnxruntime.get_all_providers() if not is_available(p[: -len(ENDING)])]
    assert lacking
    for name in lacking:
        with pytest.raises(UserError, match=f"here has no provider {name[: -len(ENDING)]}, but"):
            provider_named(name)
