"""What commands print on standard output: tables, or one JSON object."""

from __future__ import annotations

import json
from typing import Any


def front(summary: dict[str, Any]) -> None:
    """The members of a front, best in the first objective first."""
    if not summary["front"]:
        print("the front is empty: no trial is complete yet")
        return
    names = list(summary["objectives"])
    rows = [
        {
            "trial": member["trial_id"],
            **{name: member["measurement"][name] for name in names},
            **_test_quality(member),
            "model": member["params"].get("model", ""),
        }
        for member in summary["front"]
    ]
    goal = summary["objectives"][names[0]]
    rows.sort(key=lambda row: row[names[0]], reverse=goal == "max")
    table(rows)


def _test_quality(member: dict[str, Any]) -> dict[str, float]:
    """The first metric of a member's task on the test rows, where they were asked for."""
    if "test" not in member:
        return {}
    name = member["test"]["quality"][0]
    return {f"test_{name}": member["test"]["test"][name]}


def explanation(found: dict[str, Any]) -> None:
    """The findings in sentences, then the chosen model's recipe without each technique."""
    print("\n".join(f"- {sentence}" for sentence in found["findings"]))
    names = [found["quality"], "size_bytes", "latency_ms"]
    outcomes = [
        ("the model", {"figures": found["model"]["measured"], "reason": ""}),
        *((f"without {out['name']}", out) for out in found["ablation"]["without"]),
    ]
    rows = [
        {"recipe": name, **{n: out["figures"].get(n, out["reason"]) for n in names}}
        for name, out in outcomes
    ]
    table(rows)


def table(rows: list[dict[str, Any]]) -> None:
    """Rows of the same keys, aligned; wrapped only where the terminal is narrow."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    if not rows:
        return
    columns = Table(box=box.SIMPLE_HEAD)
    for name, value in rows[0].items():
        is_number = isinstance(value, int | float)
        columns.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        columns.add_row(*map(_cell, row.values()))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000
    console.print(columns)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items())
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def as_json(value: Any) -> None:
    print(json.dumps(value))
