"""The program ends in one word on Ctrl-C, while it works and while it loads."""

import sys

import pytest

from automl.cli import app, program
from automl.engine import statuses


def interrupt(*arguments, **more):
    raise KeyboardInterrupt


@pytest.mark.parametrize(("module", "name"), [(statuses, "statuses"), (app, "main")])
def test_an_interrupted_program_says_so(module, name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, name, interrupt)
    monkeypatch.setattr(sys, "argv", ["automl", "list", "--home", str(tmp_path)])
    with pytest.raises(SystemExit) as ending:
        program.main()
    assert ending.value.code == 130
    assert capsys.readouterr() == ("", "interrupted\n")
