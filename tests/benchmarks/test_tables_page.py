"""What the results page says of tables is what was measured."""

import json
import re
from pathlib import Path

from tables import RESULTS, SOURCES

PAGE = Path(__file__).parents[2] / "docs" / "results.md"


def test_the_page_shows_the_figures_of_the_file():
    found = json.loads(RESULTS.read_text())["tables"]
    section = PAGE.read_text().split("## Tables beside boosted trees")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\w+), .*$", section, re.MULTILINE)
    assert rows == [source.name for source in SOURCES if source.name in found]
    for name, one in found.items():
        (line,) = re.findall(rf"^\| {name}, [^|]*\| (.*) \|$", section, re.MULTILINE)
        shown = line.replace("*", "").replace(",", "").split(" | ")
        figures = [f"{one[model]:.3f}" for model in ("ours", "boosting", "linear")]
        assert shown == [*figures, str(one["bytes"]), str(one["boosting_bytes"])]
