"""Which of a search's runtimes this machine has."""

from automl.measure.latency import Reference
from automl.measure.runtimes_here import runtimes_here
from automl.runtimes.onnx import ONE_THREAD, OnnxRuntime
from automl.runtimes.own_formats import LiteRT

USUAL, AWAY = Reference(b"file", 1.0), Reference(b"file", 2.0, runtime=OnnxRuntime("CoreML"))


def test_a_further_runtime_that_is_not_here_is_left_out_with_a_sentence():
    other = Reference(b"tflite", 1.0, runtime=LiteRT())
    here = runtimes_here({"onnxruntime": USUAL, "coreml": AWAY, "litert": other})
    assert here.beside == {"onnxruntime": USUAL} and here.has_first
    assert len(here.notes) == 1
    assert "no provider CoreML" in here.notes[0]
    assert here.notes[0].endswith("; figures on coreml are left out")


def test_one_thread_stands_for_a_first_runtime_that_is_not_here():
    here = runtimes_here({"coreml": AWAY, "onnxruntime": USUAL})
    assert here.beside["coreml"].file == b"" and here.beside["coreml"].runtime == ONE_THREAD
    assert here.beside["onnxruntime"] == USUAL and not here.has_first
    assert here.notes[0].endswith("are of one thread here, unlike the search's")
