"""What the pages are drawn from: the findings of a search whose every figure is known."""

import pytest
from helpers import known_search as known

from automl.tracking.pages import findings


@pytest.fixture
def found(tmp_path):
    return findings.read(known.make(tmp_path), {})
