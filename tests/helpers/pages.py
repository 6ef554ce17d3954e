"""Pages of the documentation, and the fences in them: code that a reader would copy and run."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
MADE = DOCS / "reference" / "cli.md"
"""The page that is made from the program; its fences are usage lines."""
PAGES = [README, CONTRIBUTING, *sorted(page for page in DOCS.rglob("*.md") if page != MADE)]
FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Fence:
    """A fence of a page; `not_run` is the page's own reason for not running it, else ""."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str

    @property
    def file(self):
        """The name in a first line such as `# my_space.py`, under which a reader saves it."""
        named = re.match(r"# ([\w-]+\.py)\n", self.text)
        return named[1] if named else ""

    @property
    def defines_space(self):
        return bool(re.search(r"^space = ", self.text, re.MULTILINE))

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def fences(page):
    """The fences of a page, in order."""
    text = page.read_text()
    return [
        Fence(
            page,
            text.count("\n", 0, found.start("language")) + 1,
            found["language"],
            found["text"],
            found["reason"] or "",
        )
        for found in FENCE.finditer(text)
    ]


def commands(fence):
    """The words of each command in a shell fence; comments are left out, long lines joined."""
    lines = fence.text.replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [line for line in words if line]


def without_fences(text):
    """A page's prose and tables: what stands between fences is not its own."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def spans(text):
    """Everything between backticks in a page's prose and tables."""
    return re.findall(r"`([^`\n]+)`", without_fences(text))


def run(folder, fence, *, automl=("-c", "from automl.cli.app import main; main()")):
    """Run a fence in a folder, as a reader would, with the `automl` of this checkout.

    `automl` are Python's arguments that stand for the command. Returns what was printed; raises
    AssertionError, with that, on a failure.
    """
    if fence.file:
        (folder / fence.file).write_text(fence.text)
        return ""
    shims = folder / ".bin"
    shims.mkdir(exist_ok=True)
    for name, arguments in {"automl": automl, "python": ()}.items():
        words = shlex.join([sys.executable, *map(str, arguments)])
        (shims / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (shims / name).chmod(0o755)
    shell = fence.language == "sh"
    command = ["bash", "-euc", fence.text] if shell else [sys.executable, "-c", fence.text]
    path = os.pathsep.join([str(shims), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{fence}\n{fence.text}\n{done.stdout[-4000:]}"
    return done.stdout
