"""Files timed in a real browser, and what is told where that does not go."""

import json
import threading
import urllib.request

import pytest
from helpers.browser import needs_browser
from helpers.graphs import file_of, node
from helpers.trials import finish
from helpers.web import runtime

from automl.compression.quantize import Quantize
from automl.errors import UserError
from automl.export import onnx
from automl.measure import in_browser
from automl.measure.in_browser import WantedInBrowser, times_in_browser
from automl.models.mlp import MLP
from automl.training.loop import Train


@pytest.fixture
def paths(build, context, tmp_path):
    """Files of a small network, of a large one, and of that with int8 weights and inputs."""
    made = []
    networks = [build(MLP((16,))), build(MLP((600, 600)))]
    networks.append(finish(Quantize(training=Train(epochs=0)).run(networks[1], context)))
    for number, network in enumerate(networks):
        made.append(tmp_path / f"{number}.onnx")
        made[-1].write_bytes(onnx.export(network, context.data))
    return made


@needs_browser
@pytest.mark.slow
def test_files_are_timed_in_turn_with_the_first_in_a_browser(paths):
    timed = times_in_browser(WantedInBrowser(tuple(paths), runtime()))
    small, large, coded = timed.files
    assert small.latency_ms < large.latency_ms and coded.latency_ms > 0 and small.load_ms > 0
    assert all(0 < own.uncertainty["latency_ms"] < own.latency_ms for own in timed.files)
    told = timed.machine
    assert "Chrome" in told["browser"] and told["cross_origin_isolated"] == "true"
    assert float(told["timer_resolution_ms"]) < 0.1
    assert timed.notes == [f"timed by onnxruntime {told['onnxruntime']}; here is {onnx_here()}"]
    assert timed.runtime.provider == "wasm"


def onnx_here():
    from automl.measure.machine import machine

    return machine()["onnxruntime"]


def test_a_file_of_several_inputs_is_refused_before_a_browser_opens(tmp_path):
    path = tmp_path / "two.onnx"
    shape = ("batch", 8)
    path.write_bytes(file_of([node("Add", "x other", "y")], {"x": shape, "other": shape}, ["y"]))
    with pytest.raises(UserError, match=r"two\.onnx takes 2 inputs \(x, other\)"):
        times_in_browser(WantedInBrowser((path,), {}))


@needs_browser
@pytest.mark.slow
def test_a_file_that_does_not_run_there_is_one_sentence(paths, monkeypatch):
    monkeypatch.setattr(in_browser, "_inputs", lambda path, rows: [])
    with pytest.raises(UserError, match=r"onnxruntime-web cannot run .*0\.onnx: .*input"):
        times_in_browser(WantedInBrowser(tuple(paths[:1]), runtime()))


def test_a_browser_opened_by_hand_sends_its_figures(paths):
    """A program in the browser's place: what it sends is what is told."""

    def browse(address):
        def work():
            number = 0
            while True:
                with urllib.request.urlopen(f"{address}next?after={number}") as response:
                    job = json.load(response)
                number, files = job["number"], job.get("files")
                rows = len(files or ())
                found = {"loads": [3.0, 6.0][:rows], "calls": [0.5, 0.25][:rows]}
                told = {"browser": "by hand", "onnxruntime": "1.30.0"}
                result = {"number": number, "found": found if files else told}
                request = f"{address}result", json.dumps(result).encode()
                with urllib.request.urlopen(*request):
                    pass
                if "done" in job:
                    return

        for name in ("rows/0", "file/1", "measure.js", "onnxruntime-web/a.mjs"):
            with urllib.request.urlopen(address + name) as response:
                assert response.read()
        threading.Thread(target=work).start()

    wanted = WantedInBrowser(tuple(paths[:2]), {"a.mjs": b"code"}, 4, "127.0.0.1", browse)
    timed = times_in_browser(wanted)
    assert [(own.latency_ms, own.load_ms) for own in timed.files] == [(0.5, 3.0), (1.0, 1.5)]
    assert timed.machine == {"browser": "by hand", "onnxruntime": "1.30.0"}
    assert [own.size_bytes for own in timed.files] == [path.stat().st_size for path in paths[:2]]


def test_a_browser_that_ends_is_told(paths, monkeypatch):
    monkeypatch.setattr(in_browser, "found_browser", lambda: "/bin/false")
    with pytest.raises(UserError, match="/bin/false ended with the code 1; open the page by hand"):
        times_in_browser(WantedInBrowser(tuple(paths[:1]), {}))
