"""The `automl` command in this process."""

import subprocess
import sys

import pytest

from automl.cli.app import main


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """The same command in this process: quicker, since it has loaded its libraries."""

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["automl", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, end.value.code, printed.out, printed.err)

    return run
