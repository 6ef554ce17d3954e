"""The reference of the command line, made from the program: `python tests/helpers/cli_page.py`."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

from automl.cli.app import COMMANDS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "cli.md"
INTRODUCTION = """# Command line

Every command takes `--json`, which prints one object on standard output and nothing else;
progress goes to standard error. [Exit codes](errors.md): 0 fine, 1 failed, 2 your
mistake in one sentence, 130 interrupted. This page is made from the program.
"""


def page():
    """The page as the program is now, by Typer's own command."""
    command = [sys.executable, "-m", "typer", "automl.cli.app", "utils", "docs"]
    made = subprocess.run(
        [*command, "--name", "automl", "--title", "Command line"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    _, commands = made.stdout.split("# Command line\n", 1)
    # Typer cuts what a list of commands says of each, and sets its example as prose.
    commands = re.sub(r"^\* `([a-z]\w*)`: .*$", _in_full, commands, flags=re.MULTILINE)
    commands = re.sub(r"^Example: (.*)$", r"Example: `\1`", commands, flags=re.MULTILINE)
    return f"{INTRODUCTION}{commands.rstrip()}\n"


def _in_full(line):
    first, *_ = inspect.getdoc(COMMANDS[line[1]].function).split("\n\n")
    return f"* `{line[1]}`: {first}"


if __name__ == "__main__":
    PAGE.write_text(page())
