"""`automl predict`: rows as they come, predictions as a file, on the screen or as one object."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from helpers.command import AUTOML, automl, object_of, refused
from helpers.datasets import mixed_table, write_csv, write_images
from helpers.exported import write_export

from automl.data.image_folder import ImageFolder
from automl.data.table import Table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the export of a table, and the table."""
    folder = tmp_path_factory.mktemp("table")
    write_export(mixed_table(folder / "table.csv"), folder / "out")
    return folder


def test_predictions_are_printed_written_or_one_object(folder, tmp_path):
    printed = automl("predict", folder / "out", folder / "table.csv", cwd=tmp_path)
    assert printed.returncode == 0, printed.stderr
    header, first, *others = printed.stdout.splitlines()
    assert (header, first[:2], len(others)) == ("row,prediction", "0,", 19)
    written = automl(
        "predict", folder / "out", folder / "table.csv", "--out", "a.csv", cwd=tmp_path
    )
    assert written.stdout == "20 predictions in a.csv\n"
    assert (tmp_path / "a.csv").read_text() == printed.stdout
    rows = object_of(
        automl("predict", folder / "out", folder / "table.csv", "--proba", "--json", cwd=tmp_path)
    )
    assert rows["notes"] == []
    assert [f"{row['row']},{row['prediction']}" for row in rows["predictions"]] == [first, *others]
    assert all(
        sum(row["probabilities"].values()) == pytest.approx(1) for row in rows["predictions"]
    )


def test_notes_go_to_standard_error_and_a_written_object_has_no_predictions(folder, here, tmp_path):
    (tmp_path / "rows.csv").write_text("width,colour,age\n1,pink,2\n")
    command = ("predict", folder / "out", "rows.csv", "--out", "a.jsonl")
    assert "note: column 'colour' holds no known" in here(*command).stderr
    (line,) = (tmp_path / "a.jsonl").read_text().splitlines()
    assert set(json.loads(line)) == {"row", "prediction"}
    told = object_of(here(*command, "--json"))
    assert (told["out"], told["num_rows"], len(told["notes"])) == ("a.jsonl", 1, 1)


def test_each_mistake_is_one_sentence(folder, tmp_path, here):
    out, rows = folder / "out", folder / "table.csv"
    refused(here("predict", "nowhere", rows), "nowhere holds no model.onnx; give the folder")
    refused(here("predict", out, "none.csv"), "there is no none.csv; check the path")
    refused(here("predict", out, rows, "--out", "a.txt"), "a.txt is no .csv or .jsonl file")
    refused(here("predict", out, rows, "--out", "no/a.csv"), "cannot write to --out no/a.csv")
    (tmp_path / "bad.csv").write_text("colour,age\nred,1\n")
    refused(here("predict", out, "bad.csv", "--out", "a.csv"), "bad.csv has no column width")
    assert not list(tmp_path.glob("*a.csv*"))
    (tmp_path / "model.onnx").write_bytes(b"none")
    refused(here("predict", tmp_path, rows), "holds no rows.json, which earlier versions did not")
    (tmp_path / "rows.json").write_text('{"kind": "sounds"}')
    refused(here("predict", tmp_path, rows), "takes rows of the kind 'sounds'")
    (tmp_path / "rows.json").write_text('{"kind": "table"}')
    refused(here("predict", tmp_path, rows), "is no whole export")
    (tmp_path / "rows.json").write_text("[]")
    refused(here("predict", tmp_path, rows), "rows.json is damaged")


def test_a_file_that_fails_halfway_leaves_nothing(folder, tmp_path, here):
    good = "1,red,2\n" * 600
    (tmp_path / "rows.csv").write_text(f"width,colour,age\n{good}1,red\n")
    done = here("predict", folder / "out", "rows.csv", "--out", "a.csv")
    refused(done, "line 602 of rows.csv has 2 fields where the header has 3")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


CLASSES = ("žlutá", "青")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8:strict"])
def test_answers_are_utf8_whatever_the_locale(encoding, tmp_path):
    rows = [(row / 3, CLASSES[row % 2]) for row in range(20)]
    table = Table(write_csv(tmp_path / "table.csv", ("a", "kind"), rows), "kind")
    out = write_export(table, tmp_path / "out")
    for command in ([AUTOML, "predict", out], [sys.executable, out / "predict.py"]):
        done = subprocess.run(
            [*command, tmp_path / "table.csv", "--proba"],
            env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True,
            timeout=120,
        )
        header, *lines = done.stdout.decode().splitlines()
        assert header == f"row,prediction,{','.join(CLASSES)}"
        assert [line.split(",")[1] in CLASSES for line in lines] == [True] * 20


def test_the_name_of_a_picture_may_be_no_utf8(tmp_path):
    out = write_export(ImageFolder(write_images(tmp_path / "images")), tmp_path / "out")
    named = b"images/a/caf\xe9.png"
    (tmp_path / "images/a/0.png").rename(tmp_path / os.fsdecode(named))
    for command in ([AUTOML, "predict", out], [sys.executable, out / "predict.py"]):
        for written in ("a.csv", "a.jsonl", ""):
            done = subprocess.run(
                [*command, named, "images/b/0.png", *(["--out", written] if written else [])],
                env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
                capture_output=True,
                cwd=tmp_path,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
            text = (tmp_path / written).read_bytes() if written else done.stdout
            if written.endswith(".jsonl"):
                assert json.loads(text.decode().splitlines()[0])["row"] == os.fsdecode(named)
            else:
                assert text.splitlines()[1].startswith(named)


def test_a_model_is_served_until_it_is_interrupted(folder, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [AUTOML, "serve", folder / "out", "--port", str(port), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        address = json.loads(server.stdout.readline())["address"]
        refused(
            automl("serve", folder / "out", "--port", port, cwd=tmp_path),
            f"port {port} of 127.0.0.1 cannot be used (Address already in use)",
        )
        with urllib.request.urlopen(f"{address}/health") as response:
            assert json.load(response) == {"status": "ok"}
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
