"""Browsers of this machine: found on the PATH, opened without a window, ended with their page."""

import sys

import pytest

from automl.errors import UserError
from automl.measure.browsers import found_browser, opened

SHOW = """#!{python}
import pathlib, sys, time
pathlib.Path("{told}").write_text("\\n".join(sys.argv[1:]))
time.sleep(60)
"""


def program(path, told):
    path.write_text(SHOW.format(python=sys.executable, told=told))
    path.chmod(0o755)
    return path


def test_a_browser_on_the_path_is_found_and_without_one_the_way_by_hand_is_told(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"no Chromium.*: --browser --host 127\.0\.0\.1"):
        found_browser()
    firefox = program(tmp_path / "firefox", tmp_path / "told")
    assert found_browser() == str(firefox)
    chrome = program(tmp_path / "google-chrome", tmp_path / "told")
    assert found_browser() == str(chrome)


@pytest.mark.parametrize(
    ("name", "flag"), [("chromium", "--headless=new"), ("firefox", "--headless")]
)
def test_it_shows_the_page_without_a_window_until_it_is_not_needed(name, flag, tmp_path):
    told = tmp_path / "told"
    with opened(str(program(tmp_path / name, told)), "http://127.0.0.1/page") as process:
        while not (told.exists() and told.read_text()):
            assert process.poll() is None
        assert process.poll() is None
    assert process.poll() is not None
    first, *_, last = told.read_text().splitlines()
    assert (first, last) == (flag, "http://127.0.0.1/page")


def test_one_that_does_not_run_is_told(tmp_path):
    with pytest.raises(UserError, match="cannot run "), opened(str(tmp_path / "none"), "x"):
        pass
