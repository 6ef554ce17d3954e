"""The `automl` command in this process."""

import subprocess
import sys

import pytest

from automl.cli import search_commands
from automl.cli.app import main


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """The same command in this process: quicker, since it has loaded its libraries."""

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        # A Ray that begins early ends with the process, which here goes on.
        monkeypatch.setattr(search_commands, "begin_ray", lambda space, given: None)
        monkeypatch.setattr(sys, "argv", ["automl", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, end.value.code, printed.out, printed.err)

    return run
