"""Takes the modules of the zoo through the recipes, and prints a table of verdicts.

    python tests/zoo/run.py [--only NAME ...] [--recipes NAME ...] [--json FILE] [--again FILE]

Each module has a process of its own, of bounded time and memory. `--again` runs only the cells
that were bad in an earlier --json, and keeps the others. Exit codes: 0 no cell is bad, 1 some are.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from zoo.declared import all_declared  # noqa: E402
from zoo.recipes import RECIPES  # noqa: E402
from zoo.verdicts import BAD, NAMES, Judged, Verdict  # noqa: E402

SECONDS = 900
"""A module's time on a busy machine; its processor time is bounded by its own process."""


def all_judged(
    folder: Path, names: Iterable[str], recipes: Sequence[str] = tuple(RECIPES)
) -> Iterator[Judged]:
    """The verdicts on these modules under these recipes."""
    declared = all_declared()
    for name in names:
        if declared[name].is_there:
            yield from module_judged(name, folder, recipes)


def module_judged(name: str, folder: Path, recipes: Sequence[str]) -> Iterator[Judged]:
    """The verdicts on a module; a cell that ends its process is told, and the others go on."""
    waiting, lines = list(recipes), folder / f"{name}.jsonl"
    while waiting:
        lines.unlink(missing_ok=True)
        ended = _process(name, folder, waiting)
        begun = None
        for line in lines.read_text().splitlines() if lines.exists() else []:
            found = json.loads(line)
            if "begun" in found:
                begun = found["begun"]
                continue
            begun = None
            waiting.remove(found["recipe"])
            yield Judged(**{**found, "verdict": Verdict(found["verdict"])})
        if waiting:
            recipe = begun or waiting[0]
            waiting.remove(recipe)
            yield Judged(name, recipe, Verdict.RAW_EXCEPTION, f"its process ended: {ended}")


def _process(name: str, folder: Path, recipes: Sequence[str]) -> str:
    """Run a module's process; how it ended, in words."""
    command = [sys.executable, "-m", "zoo.one_module", name, str(folder), *recipes]
    paths = [str(TESTS), str(TESTS.parent)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, env=env, cwd=folder, capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"after {SECONDS} seconds"
    last = (done.stderr.strip().splitlines() or [""])[-1]
    return f"code {done.returncode} {last}".strip()


def table(found: Sequence[Judged]) -> str:
    """A line of letters for each module, what they stand for, sums, and every bad cell."""
    recipes = [r for r in RECIPES if any(one.recipe == r for one in found)]
    by_cell = {(one.module, one.recipe): one for one in found}
    modules = list(dict.fromkeys(one.module for one in found))
    wide = max(map(len, modules), default=0)
    lines = [f"{'':{wide}}  {' '.join(f'{r[:9]:9}' for r in recipes)}"]
    for module in modules:
        cells = [by_cell.get((module, recipe)) for recipe in recipes]
        letters = " ".join(f"{cell.verdict if cell else '.':9}" for cell in cells)
        lines.append(f"{module:{wide}}  {letters}")
    lines += ["", *sums(found), ""]
    for one in found:
        if one.verdict in BAD:
            lines.append(f"{one.verdict} {one.module} {one.recipe}: {one.why}")
    return "\n".join(lines)


def sums(found: Sequence[Judged]) -> list[str]:
    counts = Counter(one.verdict for one in found)
    whole = max(1, len(found))
    return [
        f"{verdict.value} {counts[verdict]:5} {counts[verdict] / whole:6.1%} {words}"
        for verdict, words in NAMES.items()
    ]


def _main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these modules")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all verdicts")
    parser.add_argument("--again", type=Path, metavar="FILE", help="run what was bad there")
    chosen = parser.parse_args()
    kept, todo = _todo(chosen)
    with tempfile.TemporaryDirectory(prefix="automl-zoo-") as folder:
        for name, recipes in todo.items():
            for one in all_judged(Path(folder), [name], recipes):
                print(f"{one.verdict} {one.module} {one.recipe} {one.why}"[:200], file=sys.stderr)
                kept[one.module, one.recipe] = one
            if chosen.json:
                _write(chosen.json, list(kept.values()))
    found = list(kept.values())
    print(table(found))
    return int(any(one.verdict in BAD for one in found))


def _todo(
    chosen: argparse.Namespace,
) -> tuple[dict[tuple[str, str], Judged], dict[str, Sequence[str]]]:
    """The cells that are known already, and the recipes to run for each module."""
    if not chosen.again:
        names, recipes = chosen.only or list(all_declared()), chosen.recipes or tuple(RECIPES)
        return {}, dict.fromkeys(names, recipes)
    known = [Judged(**one) for one in json.loads(chosen.again.read_text())]
    known = [Judged(**{**vars(one), "verdict": Verdict(one.verdict)}) for one in known]
    todo: dict[str, Sequence[str]] = {}
    for one in known:
        if one.verdict in BAD and (not chosen.only or one.module in chosen.only):
            todo[one.module] = [*todo.get(one.module, ()), one.recipe]
    return {(one.module, one.recipe): one for one in known}, todo


def _write(file: Path, found: Sequence[Judged]) -> None:
    file.write_text(json.dumps([vars(one) for one in found], indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(_main())
