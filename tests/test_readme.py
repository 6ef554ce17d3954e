"""The README is short and true: its picture, its links and its commands are there."""

import re
import subprocess

import pytest
from helpers.pages import README, ROOT

MOST_LINES = 150


def test_the_readme_is_short_and_shows_a_front():
    text = README.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert pictures == ["docs/pictures/digits-front.svg"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_readmes_first_commands(tmp_path):
    subprocess.run(["git", "clone", "-q", ROOT, tmp_path / "clone"], check=True)
    for _ in range(2):
        subprocess.run(["make", "demo"], cwd=tmp_path / "clone", check=True)
    assert (tmp_path / "clone/out/model.onnx").stat().st_size <= 40_000
