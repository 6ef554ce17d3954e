"""The folder for browsers that an export writes; tests/web/test_web_folder.py opens one."""

import json
import subprocess
import sys
import urllib.request

import pytest
from helpers.web import write_archive

from automl.errors import Rejected
from automl.export import web
from automl.export.taken import Chosen
from automl.web.onnxruntime_web import FILES


@pytest.fixture
def exported(studied, tmp_path):
    archive = write_archive(tmp_path / "package.tgz")
    return [
        studied.export(tmp_path / name, knee=True, formats=["web"], onnxruntime_web=archive)
        for name in "ab"
    ]


def test_an_export_has_a_folder_for_browsers_the_same_each_time(exported, tmp_path):
    first, second = exported
    assert first.files == second.files
    for name in first.files:
        if name.startswith("web/"):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    folder = tmp_path / "a" / "web"
    assert (folder / "model.onnx").read_bytes() == (tmp_path / "a" / "model.onnx").read_bytes()
    assert {file.name for file in (folder / "onnxruntime-web").iterdir()} == set(FILES)
    told = json.loads((folder / "model.json").read_text())
    assert told["name"].endswith(first.trial_id) and told["classes"] == [*"0123456789"]
    assert told["input_shape"] == [1, 8, 8] and told["largest"] == 16 and told["num_outputs"] == 10
    assert "python -m http.server --directory web" in (tmp_path / "a" / "README.md").read_text()


def test_python_serves_every_file_of_the_folder(exported, tmp_path):
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    folder = tmp_path / "a" / "web"
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            address = server.stdout.readline().split("(")[1].split(")")[0]
            for name, kind in (
                ("", "text/html"),
                ("page.js", "text/javascript"),
                ("page.css", "text/css"),
                (f"onnxruntime-web/{FILES[0]}", "text/javascript"),
                (f"onnxruntime-web/{FILES[1]}", "application/wasm"),
            ):
                with urllib.request.urlopen(address + name) as response:
                    assert response.headers["Content-Type"] == kind
        finally:
            server.kill()


def test_texts_of_a_tokenizer_are_refused():
    chosen = Chosen("x", b"", None, None, "{}", True, dict)
    with pytest.raises(Rejected, match="reads texts through a tokenizer"):
        web.make(chosen)
