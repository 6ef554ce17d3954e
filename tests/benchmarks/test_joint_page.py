"""What the results page says of joint searches, and of their parts, is what was measured."""

import json
import re
from pathlib import Path

import joint
import report_file
import without_each_part

PAGE = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
JOINT = json.loads(report_file.path("joint").read_text())
PARTS = json.loads(report_file.path("without_each_part").read_text())
TABLES = {"digits": "digits", "Fashion-MNIST": "fashion"}


def rows_below(heading):
    """The cells of the first table below a heading, without its first two lines."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = re.findall(r"^\| (.*) \|$", section, re.MULTILINE)
    return [line.split(" | ") for line in lines[1:]]


def test_the_summaries_are_those_of_the_cells():
    assert JOINT["summary"] == joint.summary(JOINT["cells"])
    assert PARTS["summary"] == without_each_part.summary(PARTS["cells"])


def test_the_page_shows_each_gain_of_joint_searches():
    found, shown = JOINT["summary"], rows_below("Jointly or one after the other")
    assert len(shown) == sum(len(epochs) for epochs in joint.EPOCHS.values()) * len(joint.TAKES)
    for table, epochs, take, *figures in shown:
        key = f"{TABLES[table]}_{take.replace(' ', '_')}_{epochs}"
        gains = [
            found[f"gain_points_at_{figure}_{equal}_{key}"]
            for figure in joint.FIGURES
            for equal in ("num_epochs", "cpu_seconds", "most")
        ]
        words = [f"{gain:+.1f}" for gain in gains]
        ahead = f"{found[f'ahead_at_size_bytes_cpu_seconds_{key}']} of {found[f'seeds_{key}']}"
        assert figures == [*words[:2], ahead, *words[2:]]


def test_the_page_shows_what_a_search_reaches_without_each_part():
    found, shown = PARTS["summary"], rows_below("A search without each of its parts")
    assert [row[0].replace(" ", "_") for row in shown] == list(without_each_part.PARTS)
    for part, *figures in shown:
        keys = [f"{table}.{part.replace(' ', '_')}" for table in TABLES.values()]
        assert figures == [
            f"{found[f'{key}.{at}']:.3f}" for key in keys for at in ("mean", "final")
        ]
