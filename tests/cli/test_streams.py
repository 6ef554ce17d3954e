"""Commands whose output nobody reads, or whose streams were closed: no traceback."""

import os
import subprocess
import sys

import pytest
from helpers import known_search as known
from helpers.datasets import mixed_table
from helpers.exported import write_export

COMMAND = [sys.executable, "-c", "from automl.cli.app import main; main()"]


def ended(arguments, **streams):
    done = subprocess.run([*COMMAND, *arguments], text=True, timeout=120, **streams)
    return done.returncode


@pytest.fixture
def nobody():
    """The end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("words", [["--help"], ["list", "--json"]])
def test_a_command_whose_reader_has_gone_ends_quietly(words, nobody, tmp_path):
    told = tmp_path / "stderr"
    arguments = [*words, *(["--home", str(tmp_path)] if words[0] == "list" else [])]
    with told.open("w") as stderr:
        assert ended(arguments, stdout=nobody, stderr=stderr) == 1
    assert told.read_text() == ""


def test_a_front_is_printed_in_an_encoding_without_its_characters(tmp_path):
    (tmp_path / "studies").mkdir()
    known.make(tmp_path / "studies")
    done = subprocess.run(
        [*COMMAND, "front", "known", "--home", tmp_path],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    printed = done.stdout.decode("latin-1")
    assert "? front  · dominated" in printed
    assert "take 0001, the best compromise" in printed


def test_the_name_of_a_file_that_is_no_utf8_is_printed_as_it_is(tmp_path):
    out = write_export(mixed_table(tmp_path / "table.csv"), tmp_path / "out")
    done = subprocess.run(
        [*COMMAND, "predict", out, tmp_path / "table.csv", "--out", b"caf\xe9.csv"],
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        capture_output=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, b"20 predictions in caf\xe9.csv\n"), done.stderr


def test_an_error_that_nobody_reads_keeps_its_exit_code(nobody, tmp_path):
    arguments = ["front", "none", "--home", str(tmp_path)]
    assert ended(arguments, stdout=subprocess.DEVNULL, stderr=nobody) == 2


def test_closed_streams_are_no_fault(tmp_path):
    line = " ".join([*map(repr, COMMAND), "list", "--json", "--home", repr(str(tmp_path))])
    assert subprocess.run(f"{line} 2>&-", shell=True, stdout=subprocess.DEVNULL).returncode == 0
    assert subprocess.run(f"{line} >&-", shell=True, stderr=subprocess.DEVNULL).returncode == 0


def test_the_progress_of_a_search_may_have_no_reader(nobody):
    code = (
        "from automl.cli.progress import Progress\n"
        "progress = Progress()\n"
        "for number in range(3): progress.say(str(number))\n"
        "print('the search goes on')"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=nobody, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "the search goes on\n")
