"""Searches looked at: listed, their state, and their fronts."""

import socket

import pytest
from helpers.command import automl, object_of, refused
from helpers.own_metric import MORE, search_by_cost


def test_the_front_as_object_table_csv_and_page(searched, here, tmp_path):
    at = ("--home", searched.home.path)
    front = object_of(automl("front", "digits", "--json", *at, cwd=tmp_path))
    assert front == searched.summary().as_json()
    assert front["objectives"] == {"accuracy": "max", "size_bytes": "min", "latency_ms": "min"}
    assert sum(front["trials"].values()) == len(searched.study.records())
    table = here("front", "digits", *at).stdout
    assert all(member["trial_id"] in table for member in front["front"])
    assert "●" in table and "automl export digits" in table
    lines = here("front", "digits", "--csv", *at).stdout.splitlines()
    assert len(lines) == 1 + len(front["front"])
    here("front", "digits", "--html", "page.html", *at)
    assert "Plotly.newPlot" in (tmp_path / "page.html").read_text()


def test_the_front_on_test_rows(searched, here):
    done = here("front", "digits", "--test", "--json", "--home", searched.home.path)
    for member in object_of(done)["front"]:
        assert member["test"]["test"]["size_bytes"] == member["measurement"]["size_bytes"]
        # Two samples of 359 rows each: more apart than this they would not be of one model.
        validation = member["measurement"]["accuracy"]
        assert member["test"]["test"]["accuracy"] == pytest.approx(validation, abs=0.15)


def test_list_and_status(searched, here):
    at = ("--json", "--home", searched.home.path)
    row = object_of(here("status", "digits", *at))
    [listed] = object_of(here("list", *at))["searches"]
    assert listed.items() < row.items()
    assert (row["state"], row["unfinished"]) == ("finished", 0)
    stopped = object_of(here("stop", "digits", *at))
    assert stopped == {"search": "digits", "stopping": False}


def test_a_busy_port(here):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(here("ui", "--port", port), f"port {port} cannot be used")


def test_what_the_space_of_a_search_prints_is_no_part_of_the_object(forgotten, here, tmp_path):
    (tmp_path / "studies").mkdir()
    search_by_cost(tmp_path / "studies" / "own", f"print('loaded')\n{MORE}")
    for command in (("list",), ("front", "own")):
        done = here(*command, "--json", "--home", tmp_path)
        assert object_of(done) and done.stderr in ("loaded\n", "")
    done = automl("front", "own", "--json", "--home", tmp_path, cwd=tmp_path)
    assert (object_of(done)["search"], done.stderr) == ("own", "loaded\n")
