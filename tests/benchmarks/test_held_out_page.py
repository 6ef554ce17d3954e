"""What the results page says of held-out series and texts is what was measured."""

import json
import re
from pathlib import Path

import held_out

PAGE = Path(__file__).parents[2] / "docs" / "results.md"
FOUND = json.loads(held_out.RESULTS.read_text())


def test_the_page_shows_the_sets_of_the_file():
    section = PAGE.read_text().split("## Series and a text that")[1].split("\n## ")[0]
    shown = {
        name: cells.replace("*", "").replace(",", "").split(" | ")
        for name, cells in re.findall(r"^\| (\w+)(?:, [^|]*)? \| (\d.*) \|$", section, re.M)
    }
    assert shown == {
        name: [
            *(str(count) for count in one["rows"]),
            *(f"{one[model]:.3f}" for model in ("ours", "boosting", "linear")),
            *(str(one[size]) for size in ("bytes", "boosting_bytes", "linear_bytes")),
        ]
        for name, one in FOUND["sets"].items()
    }


def test_the_summary_is_that_of_the_sets():
    assert FOUND["summary"] == held_out.summary(FOUND["sets"])
