"""What the results page says of other tools is what was measured."""

import json
from pathlib import Path

import other_tools

PAGE = Path(__file__).parents[2] / "docs" / "results.md"
FOUND = json.loads(other_tools.RESULTS.read_text())


def row(technique):
    """A technique's line: for each network the bytes, the points lost and the latency."""
    cells = []
    for name in other_tools.NETWORKS:
        own = other_tools.median(FOUND["points"], name, technique)
        times = [
            point["latency_over_fp32"]
            for point in FOUND["points"]
            if (point["network"], point["technique"]) == (name, technique)
        ]
        if own:
            latency = f"{times[0]:.2f}" if times[0] else ""
            cells += [f"{own['size_bytes']:,.0f}", f"{own['drop_points']:.2f}", latency]
        else:
            cells += [""] * 3
    return cells


def test_the_page_shows_the_medians_of_the_file():
    section = PAGE.read_text().split("## Beside other tools")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    shown = {name: cells for name, *cells in table}
    names = {
        "fp32": "fp32",
        **{f"ours, {bits} bits": f"w{bits}a8" for bits in (8, 4, 2)},
        "ours, 1 bit": "w1a8",
        "ours, pruned by half": "prune half",
        **{name: name for name in (*other_tools.TO_ONNX, *other_tools.IN_TORCH)},
    }
    assert {names[name]: cells for name, cells in shown.items()} == {
        technique: row(technique) for technique in names.values()
    }


def test_the_summary_is_that_of_the_points():
    assert FOUND["summary"] == other_tools.summary(FOUND["points"])
