"""Folders for browsers, served as anybody serves files, and what their page answers."""

import functools
import http.server
import io
import json
import tarfile
import threading
from contextlib import contextmanager

import pytest

from automl.errors import UserError
from automl.predictor.request_schema import described
from automl.web.folder import web_folder
from automl.web.onnxruntime_web import FILES, onnxruntime_web
from helpers.browser import PICTURES

OUTPUTS = """
const [rows, done] = arguments;
(async () => {
  const [{ outputs }, { encoded }, told] =
    await Promise.all([import("./ask.js"), import("./rows.js"), fetch("model.json")]);
  const model = await told.json(), found = [];
  for (const row of rows) found.push((await outputs(encoded(model, row))).found);
  return found;
})().then(done, error => done(String(error)));
"""
FILE = """
const [name, done] = arguments;
(async () => {
  const { answerFile } = await import("./ask.js");
  const found = await answerFile(new File([await (await fetch(name)).blob()], name));
  return { ...found, seen: found.seen.pixels.map(plane => Array.from(plane)) };
})().then(done, error => done(String(error)));
"""


@functools.cache
def runtime():
    """The files of onnxruntime-web, fetched once and kept beside the tests; without a network
    what needs them is skipped."""
    try:
        return onnxruntime_web(PICTURES)
    except UserError as error:
        pytest.skip(str(error))


def write_archive(path):
    """An archive as npm writes it, each file of which holds its own name."""
    with tarfile.open(path, "w:gz") as archive:
        for name in FILES:
            file = tarfile.TarInfo(f"package/dist/{name}")
            file.size = len(name)
            archive.addfile(file, io.BytesIO(name.encode()))
    return path


def write_web(model, folder):
    """The folder for browsers of a model that was exported."""
    file = (model.folder / "model.onnx").read_bytes()
    for name, content in web_folder(file, described(model), runtime()).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@contextmanager
def files_served(folder):
    """The address of a folder, as `python -m http.server` serves it."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def loaded(browser):
    """Wait until the page has its model, or a reason why not."""
    from selenium.webdriver.support.ui import WebDriverWait

    answer = browser.find_element("id", "answer")
    WebDriverWait(browser, 40).until(lambda _: not answer.text.startswith("Loading"))
    return answer


def asked(browser, script, given):
    """What a script finds in the page, given this."""
    browser.set_script_timeout(60)
    return browser.execute_async_script(script, json.loads(json.dumps(given)))
