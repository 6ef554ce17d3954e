"""The server: JSON and files in, the answers of `predict` out; refusals; the page in a browser."""

import gzip
import json
import os
import re
import shutil
import socket
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from helpers.browser import browser as browser
from helpers.browser import find, needs_browser, picture, text
from helpers.datasets import mixed_table, reviews, waves, write_csv, write_images
from helpers.exported import write_export
from PIL import Image

import automl
from automl.data.image_folder import ImageFolder
from automl.data.table import Table
from automl.errors import UserError
from automl.predictor import serve

MAX_BYTES = 100_000


@contextmanager
def served(out):
    """The address of a server in this process."""
    listening = serve.bound("127.0.0.1", 0)
    config = uvicorn.Config(serve.application(automl.load(out), MAX_BYTES), log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def asked(address, body=None, **headers):
    """The status and the object that the server answers."""
    request = urllib.request.Request(address, body, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def sent(address, rows, **headers):
    return asked(f"{address}/predict", json.dumps({"rows": rows}).encode(), **headers)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The address of a table's model, its folder, and the file of its rows."""
    folder = tmp_path_factory.mktemp("table")
    source = mixed_table(folder / "table.csv")
    out = write_export(source, folder / "out")
    with served(out) as address:
        yield address, out, folder / "table.csv"


ROWS = [
    {"width": 1.5, "colour": "red", "age": 3},
    {"width": None, "colour": "green", "age": None, "more": 1},
]


def test_rows_are_answered_as_by_predict(table):
    address, out, path = table
    model = automl.load(out)
    status, found = sent(address, ROWS)
    assert status == 200
    with pytest.warns(UserWarning, match="no known category in 1 row, such as 'green'"):
        shares = model.predict_proba(ROWS)
    given = [list(row["probabilities"].values()) for row in found["predictions"]]
    np.testing.assert_allclose(given, shares, rtol=1e-6)
    assert found["notes"] == [
        "column 'colour' holds no known category in 1 row, such as 'green'; it counts as "
        "missing there"
    ]
    file = path.read_bytes()
    for name, kind, body in [
        ("rows.csv", "application/octet-stream", file),
        ("my.rows.csv.gz", "application/gzip", gzip.compress(file)),
        ("", "text/csv", file),
    ]:
        at = f"{address}/predict?name={name}"
        status, found = asked(at, body, **{"Content-Type": kind})
        assert status == 200
        names = [row["prediction"] for row in found["predictions"]]
        assert names == model.predict(path).tolist()


def test_each_mistake_is_one_sentence(table):
    address, *_ = table
    at = f"{address}/predict"

    def refused(status, sentence, told):
        assert told[0] == status
        assert sentence in told[1]["detail"]

    refused(
        422, "row 0 has no column width, age; it has colour", sent(address, [{"colour": "red"}])
    )
    refused(
        422, "'width' holds a value of the type list", sent(address, [{**ROWS[0], "width": []}])
    )
    refused(422, "a row is a text; send an object", sent(address, ["/etc/passwd"]))
    refused(422, "these are no rows of a table", sent(address, [[1, 2]]))
    refused(422, "the body holds no rows", sent(address, []))
    refused(422, "the body holds no rows", asked(at, b"[1]"))
    refused(422, "the body is no JSON", asked(at, b"{"))
    refused(422, "the body is no JSON", asked(at, b"\xff"))
    csv = {"Content-Type": "text/csv"}
    refused(
        422, "the body has no column colour, age; it has width", asked(at, b"width\n1\n", **csv)
    )
    refused(422, "my.csv has no column", asked(f"{at}?name=my.csv", b"width\n1\n", **csv))
    refused(422, "the body is no .csv", asked(at, b"x", **{"Content-Type": "image/png"}))
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    refused(422, "send the file itself as the body", asked(at, b"--x--", **form))
    refused(
        422,
        "is no .csv, .tsv or .parquet file",
        asked(f"{at}?name=a.c%00sv", b"x", **{"Content-Type": "image/png"}),
    )
    refused(422, "it has \\ud800", sent(address, [{"\ud800": 1}]))
    refused(413, "the body is larger than 100,000 bytes", asked(at, b" " * (MAX_BYTES + 1)))


def test_other_hosts_and_other_servers_are_kept_out(table):
    address, *_ = table
    request = urllib.request.Request(f"{address}/health", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)
    for page in ("", "/docs"):
        with urllib.request.urlopen(f"{address}{page}") as response:
            assert "default-src 'self'" in response.headers["Content-Security-Policy"]
            assert not re.search(r"https?://(?!localhost)", response.read().decode())


def test_the_page_has_its_parts_and_no_others(table):
    address, *_ = table
    for part in ("page.css", "page.js", "pad.js", "pixels.js", "ask.js"):
        with urllib.request.urlopen(f"{address}/{part}") as response:
            kind = response.headers["Content-Type"].partition(";")[0]
            assert kind == ("text/css" if part == "page.css" else "text/javascript")
    assert asked(f"{address}/rows.js") == (404, {"detail": "there is no rows.js"})
    _, told = asked(f"{address}/model")
    assert told["columns"][1] == {"name": "colour", "categories": ["blue", "red"]}


def test_health_and_the_schema_of_the_rows(table):
    address, *_ = table
    assert asked(f"{address}/health") == (200, {"status": "ok"})
    _, schema = asked(f"{address}/openapi.json")
    body = schema["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    rows = body["schema"]["properties"]["rows"]["items"]
    assert rows["required"] == ["width", "colour", "age"]
    assert rows["properties"]["colour"]["examples"] == ["blue", "red"]
    assert sent(address, body["example"]["rows"])[0] == 200


@pytest.mark.parametrize("kind", ["text", "series", "image"])
def test_rows_of_every_kind_are_served(kind, tmp_path):
    if kind == "image":
        source = ImageFolder(write_images(tmp_path / "images"))
        rows = source.load().inputs.tolist()
    elif kind == "series":
        source = waves(tmp_path / "waves.csv")
        rows = source.load().inputs.tolist()
    else:
        source = reviews(tmp_path / "reviews.csv")
        rows = [f"this is {('bad', 'good')[row % 2]} {row}" for row in range(20)]
    out = write_export(source, tmp_path / "out")
    model = automl.load(out)
    with served(out) as address:
        status, found = sent(address, rows)
        assert status == 200, found
        names = [row["prediction"] for row in found["predictions"]]
        assert names == model.predict(rows).tolist()
        _, schema = asked(f"{address}/openapi.json")
        body = schema["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
        assert sent(address, body["example"]["rows"])[0] == 200
        if kind == "image":
            file = tmp_path / "images" / "a" / "3.png"
            _, found = asked(
                f"{address}/predict", file.read_bytes(), **{"Content-Type": "image/png"}
            )
            assert found["predictions"][0]["row"] == "the body"
            assert found["predictions"][0]["prediction"] == model.predict(file)[0]
            status, told = asked(f"{address}/predict?name=x.png", b"none")
            assert (status, told["detail"][:23]) == (422, "x.png does not decode (")
        if kind == "text":
            # What looks like the path of a file is a text.
            assert sent(address, ["/etc/passwd"])[0] == 200


def test_an_answer_that_is_no_number_is_refused(tmp_path):
    rows = [(row / 300, row % 5 / 50, row * 1.7) for row in range(20)]
    out = write_export(Table(write_csv(tmp_path / "a.csv", "aby", rows), "y"), tmp_path / "out")
    with served(out) as address:
        status, told = sent(address, [{"a": 1, "b": 1}, {"a": -3.4e38, "b": -3.4e38}])
    assert (status, told["detail"][:42]) == (422, "the model's answer to row 1 is not finite,")


def test_a_picture_of_an_archive_is_named_by_its_place_in_it(tmp_path):
    out = write_export(ImageFolder(write_images(tmp_path / "images")), tmp_path / "out")
    picture = tmp_path / "images" / "a" / "0.png"
    picture.rename(picture.with_name(os.fsdecode(b"caf\xe9.png")))
    packed = shutil.make_archive(str(tmp_path / "a"), "tar", picture.parent)
    named = [*(f"{number}.png" for number in range(1, 6)), "caf\\udce9.png"]
    with served(out) as address:
        for name, told in (("a.tar", "a.tar"), ("", "the body")):
            at, kind = f"{address}/predict?name={name}", {"Content-Type": "application/x-tar"}
            _, found = asked(at, Path(packed).read_bytes(), **kind)
            assert [row["row"] for row in found["predictions"]] == [f"{told}/{n}" for n in named]


def test_a_busy_port_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} of 127.0.0.1 cannot be used"):
            serve.bound("127.0.0.1", port)


@pytest.mark.slow
def test_two_hundred_requests_at_once_are_answered_alike(table):
    address, *_ = table
    _, expected = sent(address, ROWS)
    with ThreadPoolExecutor(200) as pool:
        found = list(pool.map(lambda _: sent(address, ROWS), range(400)))
    assert found == [(200, expected)] * 400


@needs_browser
@pytest.mark.slow
def test_a_row_is_tried_by_hand(table, browser, tmp_path):
    address, out, _ = table
    browser.get(address)
    (width,) = find(browser, "#row:not([hidden]) input[name=width]")
    width.send_keys("1.5")
    (red,) = find(browser, "select[name=colour] option[value=red]")
    red.click()
    browser.find_element("css selector", "#row button").click()
    (answer,) = find(browser, "#answer:not(.waiting)")
    row = {"width": 1.5, "colour": "red", "age": None}
    assert answer.text == automl.load(out).predict([row])[0]
    assert len(find(browser, ".share")) == 2
    picture(browser, "serve-table")
    (tmp_path / "rows.csv").write_text("width,colour\n1,red\n")
    browser.find_element("id", "file").send_keys(str(tmp_path / "rows.csv"))
    (error,) = find(browser, "#answer.error")
    assert error.text == "rows.csv has no column age; it has width, colour"
    (tmp_path / "good.csv").write_text("width,colour,age\n1,red,1\n2,blue,\n")
    browser.find_element("id", "file").send_keys(str(tmp_path / "good.csv"))
    assert len(find(browser, "#shares tr")) == 2
    browser.get(f"{address}/docs")
    assert len(find(browser, "pre")) == 5
    assert f"{address}/predict" in text(browser)
    picture(browser, "serve-docs")
    told = [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert all("status of 422" in message for message in told)


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["image", "series", "text"])
def test_a_picture_a_series_or_a_text_is_tried_by_hand(kind, browser, tmp_path):
    kinds = {
        "image": lambda: ImageFolder(write_images(tmp_path / "images")),
        "series": lambda: waves(tmp_path / "waves.csv"),
        "text": lambda: reviews(tmp_path / "reviews.csv"),
    }
    out = write_export(kinds[kind](), tmp_path / "out")
    with served(out) as address:
        browser.get(address)
        if kind == "image":
            Image.new("L", (30, 20), 90).save(tmp_path / "other.png")
            (file,) = find(browser, "#files:not([hidden]) #file")
            file.send_keys(str(tmp_path / "other.png"))
        else:
            (typed,) = find(browser, "#row:not([hidden]) textarea")
            typed.send_keys("this is bad" if kind == "text" else "1 2 3 4 5, 6, 7, 8")
            browser.find_element("css selector", "#row button").click()
        (answer,) = find(browser, "#answer:not(.waiting)")
        assert answer.text in automl.load(out).classes
        picture(browser, f"serve-{kind}")
