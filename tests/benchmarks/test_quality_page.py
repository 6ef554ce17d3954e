"""What the results page says of quality for bytes is what was measured."""

import json
import re
from pathlib import Path

import quality

PAGE = Path(__file__).parents[2] / "docs" / "results.md"
FOUND = json.loads(quality.RESULTS.read_text())


def test_the_page_shows_the_fronts_of_the_file():
    section = PAGE.read_text().split("## Quality for bytes")[1].split("\n## ")[0]
    shown = re.findall(
        r"^\| (MNIST|Fashion-MNIST) \| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \|", section, re.M
    )
    names = {"MNIST": "mnist", "Fashion-MNIST": "fashion"}
    rows = [
        (names[name], int(size.replace(",", "")), *accuracies) for name, size, *accuracies in shown
    ]
    assert rows == [
        (
            name,
            model["bytes"],
            f"{100 * model['validation_accuracy']:.2f}",
            f"{100 * model['test_accuracy']:.2f}",
        )
        for name, found in FOUND["sets"].items()
        for model in sorted(found["front"], key=lambda one: one["bytes"])
    ]


def test_the_summary_is_that_of_the_fronts():
    assert FOUND["summary"] == quality.summary(FOUND["sets"])


def test_the_readme_shows_the_smallest_model_that_reaches_each_threshold():
    readme = (PAGE.parents[1] / "README.md").read_text()
    for name, thresholds in quality.THRESHOLDS.items():
        front = FOUND["sets"][name]["front"]
        for percent in thresholds:
            size = quality.least_bytes(front, percent / 100)
            for accuracy in [one["test_accuracy"] for one in front if one["bytes"] == size]:
                assert f"| {size:,} bytes; {100 * accuracy:.2f} |" in readme
