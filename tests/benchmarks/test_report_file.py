"""A report is written whole or not at all, and its parts are read back."""

import json

import pytest
import report_file


def test_parts_are_read_back_and_summaries_are_not(tmp_path):
    file = tmp_path / "small" / "speed.json"
    assert report_file.parts(file) == {}
    report_file.write(file, {"summary": {"ms": 1}, "rows": [1, 2]}, ["torch"])
    assert report_file.parts(file) == {"rows": [1, 2]}
    found = json.loads(file.read_text())
    assert list(found) == ["summary", "rows", "versions", "machine", "date"]
    assert list(found["versions"]) == ["torch"]


def test_a_report_that_cannot_be_written_leaves_the_one_before(tmp_path):
    file = tmp_path / "speed.json"
    report_file.write(file, {"rows": [1]})
    with pytest.raises(TypeError):
        report_file.write(file, {"rows": [object()]})
    assert report_file.parts(file) == {"rows": [1]}
