"""Replays what must not move while the code is rewritten: the files of recipes, and proposals.

    python tests/replay/replay.py                   compares with replay.json
    python tests/replay/replay.py --renew           writes replay.json anew, on purpose
    python tests/replay/replay.py --against COMMIT  compares with what that commit's own
                                                    tests/replay records here and now

replay.json holds what is the same on every processor. Weights are not: so the last one, which
`make replay BASE=COMMIT` calls, also compares the bytes of every file. Exit codes: 0 nothing
moved, 1 what is listed did, 2 nothing was compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from differences import differences, text
from figures import figures
from proposals import SPACES, proposed
from recipes import CASES, play

import automl

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RECORDED = HERE / "replay.json"


def of_recipe(name: str, cache: Path, with_bytes: bool = False) -> dict[str, Any]:
    """What a recipe says and leaves; with its bytes, also what differs between processors."""
    said, file = play(CASES[name], cache)
    found = {"said": said, **(figures(file) if file else {})}
    if with_bytes:
        return found | {"sha256": hashlib.sha256(file).hexdigest()}
    return {key: value for key, value in found.items() if key not in CASES[name].varies}


def replayed(with_bytes: bool = False) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="automl-replay-") as cache:
        recipes = {name: of_recipe(name, Path(cache), with_bytes) for name in CASES}
    spaces = {name: proposed(name) for name in SPACES}
    return {"recipes": recipes} | {
        part: {name: found[part] for name, found in spaces.items()}
        for part in ("proposals", "fronts")
    }


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORDED.read_text())
    return found


def against(commit: str) -> list[str]:
    """What differs, bytes included, between a commit and the tree as it stands."""
    with tempfile.TemporaryDirectory(prefix="automl-replay-") as folder:
        with _worktree(commit, Path(folder) / "tree") as tree:
            before = _replayed_in(tree, Path(folder) / "before.json")
        now = _replayed_in(ROOT, Path(folder) / "now.json")
    return list(differences(before, now))


@contextmanager
def _worktree(commit: str, tree: Path) -> Iterator[Path]:
    """A commit's files, for a while; its packages stand where an import looks for them."""
    git = ["git", "-C", str(ROOT), "worktree"]
    _call([*git, "add", "--quiet", "--detach", str(tree), commit])
    try:
        # Else what pyproject.toml takes from another folder is found in the installed tree.
        project = tomllib.loads((tree / "pyproject.toml").read_text())
        for package, folder in project["tool"]["setuptools"].get("package-dir", {}).items():
            (tree / package.replace(".", "/")).symlink_to(tree / folder)
        yield tree
    finally:
        _call([*git, "remove", "--force", str(tree)])


def _replayed_in(tree: Path, file: Path) -> Any:
    """What a tree's own script records of that tree, bytes included."""
    command = [sys.executable, str(tree / "tests/replay/replay.py"), "--write", str(file)]
    env = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    _call(command, cwd=tree, env=env)
    return json.loads(file.read_text())


def _call(command: list[str], **options: Any) -> None:
    """Where a command fails, which has said why, nothing was compared: exit code 2."""
    if subprocess.run(command, **options).returncode:
        print(f"failed: {' '.join(command)}", file=sys.stderr)
        sys.exit(2)


def _check_own() -> None:
    """A replay of some other tree would tell nothing of this one."""
    for place in (automl.__file__, str(resources.files("automl.search_spaces"))):
        if not Path(str(place)).resolve().is_relative_to(ROOT):
            print(f"{place} is not below {ROOT}; make install there", file=sys.stderr)
            sys.exit(2)


def _main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--renew", action="store_true", help="write replay.json anew")
    one.add_argument("--against", metavar="COMMIT", help="compare with a commit, bytes included")
    one.add_argument("--write", metavar="FILE", type=Path, help="write all, bytes included")
    chosen = parser.parse_args()
    if chosen.against:
        moved = against(chosen.against)
    else:
        _check_own()
        found = replayed(with_bytes=bool(chosen.write))
        if file := chosen.write or (RECORDED if chosen.renew else None):
            file.write_text(text(found) + "\n")
            return 0
        moved = list(differences(recorded(), found))
    print("\n".join(moved) or "nothing moved")
    return int(bool(moved))


if __name__ == "__main__":
    sys.exit(_main())
