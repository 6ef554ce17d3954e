"""The MLflow UI in a real browser: what a person sees of a search."""

import base64
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from helpers.browser import browser, find, needs_browser, picture, text
from helpers.small_study import make_study
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from automl.errors import UserError
from automl.tracking import server
from automl.tracking.mlflow_client import SearchRun
from automl.tracking.pages import findings

__all__ = ["browser"]
AUTOML = str(Path(sys.executable).with_name("automl"))


@pytest.fixture(scope="module")
def pages(searched):
    """The addresses that `automl ui` prints, served."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [AUTOML, "ui", "--port", str(port), "--home", str(searched.home.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    lines = [process.stdout.readline() for _ in range(3)]
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
            break
        time.sleep(0.3)
    yield {name: page.strip() for name, page in (line.split(":", 1) for line in lines)}
    process.terminate()
    process.wait(120)
    process.stdout.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@needs_browser
def test_the_address_leads_to_the_rendered_front(browser, pages, searched):
    browser.get(pages["digits"])
    browser.switch_to.frame(find(browser, "iframe")[0])
    points = find(browser, ".scatterlayer .point")
    shown = [point for point in findings.read(searched.study, {}).points if point.figures]
    assert len(points) == len(shown) + 1, "the model to take is marked above its point"
    ActionChains(browser).move_to_element(points[-1]).perform()
    assert "recipe.train.optimizer" in find(browser, ".hoverlayer .hovertext")[0].text
    browser.switch_to.default_content()
    picture(browser, "front")
    assert "Evaluations" not in text(browser)


@needs_browser
def test_the_table_shows_the_search_with_its_trials_nested(browser, pages, searched):
    experiment = searched.study.attribute("mlflow")["experiment_id"]
    browser.get(pages["all"].replace("/#/experiments", f"/#/experiments/{experiment}/runs"))
    expander = find(browser, ".ag-row button")
    ids = [record.trial_id for record in searched.study.records()]
    assert "digits" in text(browser)
    assert not any(trial_id in text(browser) for trial_id in ids)
    expander[0].click()
    WebDriverWait(browser, 120).until(lambda b: all(i in text(b) for i in ids))
    picture(browser, "runs")


def rows(browser):
    """The trials that a table shows, top to bottom, with what their columns say."""
    found = {}
    for cell in browser.find_elements(By.CSS_SELECTOR, ".ag-row .ag-cell"):
        row = cell.find_element(By.XPATH, "..").get_attribute("row-index")
        found.setdefault(int(row), {})[cell.get_attribute("col-id")] = cell.text
    return [found[index] for index in sorted(found)]


def shows(browser, trial_ids):
    """Wait until the table names these trials and no other."""

    def names(browser):
        cells = [row.get("attributes.`Run Name`", "") for row in rows(browser)]
        return {cell.splitlines()[-1] for cell in cells if cell} == set(trial_ids)

    ignored = [StaleElementReferenceException]
    WebDriverWait(browser, 120, ignored_exceptions=ignored).until(names)


@needs_browser
def test_the_table_of_trials_is_sorted_and_shows_their_figures(browser, pages, searched):
    # Columns beyond the window are not drawn.
    browser.set_window_size(2600, 1000)
    browser.get(pages["digits, its trials"])
    known = [*searched.study.records(), *searched.study.refits()]
    shows(browser, [record.trial_id for record in known])
    headers = ("accuracy", "size_bytes", "latency_ms", "automl.pareto")
    WebDriverWait(browser, 120).until(lambda b: all(name in text(b) for name in headers))
    picture(browser, "trials")
    column = "metrics.`accuracy`"
    shown = [float(row[column]) for row in rows(browser) if row.get(column, "-") != "-"]
    measured = [record.values["accuracy"] for record in known if record.result.measurement]
    assert shown == pytest.approx(sorted(measured, reverse=True), abs=1e-3)


@needs_browser
def test_a_typed_query_filters_the_trials(browser, pages, searched):
    browser.get(pages["digits, its trials"])
    box = find(browser, "[data-testid=search-box]")[0]
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys("tags.automl.pareto = 'true'", Keys.ENTER)
    shows(browser, [record.trial_id for record in searched.members()])
    picture(browser, "query")


@needs_browser
def test_the_registered_models_show_their_aliases(browser, pages, searched):
    browser.get(pages["all"].replace("/#/experiments", "/#/models/digits"))
    aliases = ("most-accurate", "smallest", "fastest", "knee")
    WebDriverWait(browser, 120).until(lambda b: all(alias in text(b) for alias in aliases))
    picture(browser, "models")
    assert "mlflow.onnx.load_model" in text(browser)


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("http://127.0.0.1:1", "no MLflow server answers at .*:1 .*Connection refused"),
        ("runs", "neither an http"),
        ("sqlite:////no/such/mlflow.db", "its folder does not exist"),
        ("http://127.0.0.1:5000a", "no MLflow server answers at .*:5000a .*Failed to parse"),
        ("http://[::1:5000", "Invalid IPv6 URL"),
        ("http://ann:secret@127.0.0.1:1", r"answers at --tracking-uri http://ann:\*\*\*@127"),
        ("http://ann:secret@127.0.0.1:1a", r"answers at --tracking-uri http://ann:\*\*\*@127"),
        ("postgresqlx://ann:secret@h/db", r"postgresqlx://ann:\*\*\*@h/db cannot be used"),
        ("mysql://h/db?user=ann&password=secret", r"&password=\*\*\* cannot be used"),
    ],
)
def test_a_tracking_uri_of_no_use_is_told(uri, sentence):
    with pytest.raises(UserError, match=sentence) as told:
        server.check_uri(uri)
    assert "\n" not in str(told.value) and "secret" not in str(told.value)


def test_a_database_that_does_not_answer_is_told_at_once(tmp_path):
    """A folder can be opened as a database as little as a port at which nobody listens."""
    began = time.monotonic()
    with pytest.raises(UserError, match=r"cannot be used: .*unable to open database file"):
        server.check_uri(f"sqlite:///{tmp_path}")
    assert time.monotonic() - began < 20, "MLflow tries for 101 seconds"


def test_a_service_that_is_no_web_server_is_told():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def greet():
            caller, _ = listening.accept()
            with caller:
                caller.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                caller.recv(10_000)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(UserError, match=r"no MLflow server answers at .*SSH-2\.0"):
            server.check_uri(f"http://127.0.0.1:{listening.getsockname()[1]}")
        thread.join()


@pytest.mark.parametrize(
    "uri", ["http://host:5000/", "sqlite:////shared/mlflow.db", "sqlite:///", "postgresql://h/db"]
)
def test_a_tracking_uri_that_names_no_folder_stays(uri):
    assert server.absolute(uri) == uri


@contextlib.contextmanager
def answering(status, login=None):
    """A server on loopback that answers with this status; whoever has not this login, with 401."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            told = self.headers["Authorization"]
            self.send_response(status if login is None or told == login else 401)
            self.end_headers()

        def log_message(self, *words): ...

        do_POST = do_GET

    with HTTPServer(("127.0.0.1", 0), Answer) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "does not let this user in; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASS"),
        (403, "cannot be used: .*403"),
    ],
)
def test_a_tracking_server_that_refuses_a_user_is_told(status, sentence):
    with answering(status) as uri, pytest.raises(UserError, match=sentence) as told:
        server.check_uri(uri)
    assert "\n" not in str(told.value)


def test_a_server_behind_a_proxy_that_asks_for_a_login_is_reached(monkeypatch):
    login = f"Basic {base64.b64encode(b'ann:secret').decode()}"
    with answering(200, login) as uri:
        with pytest.raises(UserError, match="does not let this user in"):
            server.check_uri(uri)
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
        server.check_uri(uri)


def test_the_address_of_a_page_holds_no_login(tmp_path):
    study = make_study(tmp_path)
    SearchRun("https://ann:se@cret@host/mlflow/", "1", "run").write(study)
    assert server.where_to_look(study).startswith("https://host/mlflow/#/experiments/1/runs/run/")
