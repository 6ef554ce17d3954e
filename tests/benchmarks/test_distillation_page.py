"""What the results page says of teachers is what was measured."""

import json
import re
from pathlib import Path

import distillation

PAGE = Path(__file__).parents[2] / "docs" / "results.md"
FOUND = json.loads(distillation.RESULTS.read_text())
ROWS = {
    "long, over the same by the labels": ("perceptron_taught", "perceptron"),
    "long, over the same with mixup": ("perceptron_taught", "mixed_perceptron"),
    "long, over a short one": ("perceptron_taught", "short_perceptron"),
    "short": ("short_perceptron_taught", "short_perceptron"),
    "2 bits, taught then": ("2_bit_perceptron_taught", "2_bit_perceptron"),
    "2 bits, taught before, too": ("2_bit_perceptron_taught_throughout", "2_bit_perceptron"),
    "1 bit, taught then": ("1_bit_perceptron_taught", "1_bit_perceptron"),
    "1 bit, taught before, too": ("1_bit_perceptron_taught_throughout", "1_bit_perceptron"),
}


def test_the_page_shows_the_gains_of_the_file():
    section = PAGE.read_text().split("## What teachers give")[1].split("\n## ")[0]
    shown = dict(re.findall(r"^\| ([^|]*) \| ([-+]\d.*) \|$", section, re.MULTILINE))
    found = {(row["data"], row["kind"], row["over"]): row for row in FOUND["rows"]}
    assert shown == {
        name: " | ".join(
            "{gain_points:+.2f} ± {standard_error:.2f}".format(**found[data, *row])
            for data in distillation.BUDGETS
        )
        for name, row in ROWS.items()
    }


def test_the_summary_is_that_of_the_rows():
    assert FOUND["summary"] == distillation.summary(FOUND["rows"])
