"""The `automl` command as a user meets it: run, and its output read."""

import json
import os
import subprocess
import sys
from pathlib import Path

AUTOML = str(Path(sys.executable).with_name("automl"))


def automl(*arguments, cwd, **environment):
    return subprocess.run(
        [AUTOML, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )


def object_of(done):
    """The one object on standard output."""
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    return json.loads(line)


def refused(done, sentence):
    """Exit code 2, one sentence, no traceback."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert sentence in done.stderr.splitlines()[-1]
