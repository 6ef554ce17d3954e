"""Wishes of `automl measure --browser` that do not go together, or cannot be."""

import pytest
from helpers.command import refused
from helpers.web import write_archive


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--host", "127.0.0.1"), "--host and --onnxruntime-web go with --browser"),
        (("--browser", "--threads", 2), "on one thread; leave out --provider, --threads"),
        (("--browser", "--over", "ssh:pi@host"), "leave out --provider, --threads, --over"),
        (("--browser", "--data", "a.csv"), "--over, --python and --browser out"),
        (("--browser", "--onnxruntime-web", "none"), "none holds no ort.wasm.bundle.min.mjs"),
    ],
)
def test_wishes_that_cannot_be_are_refused(options, sentence, here):
    refused(here("measure", "model.onnx", *options), sentence)


def test_a_file_that_is_not_there_is_told_before_a_browser_is_opened(here, tmp_path):
    write_archive(tmp_path / "copy.tgz")
    told = here("measure", "none.onnx", "--browser", "--onnxruntime-web", "copy.tgz")
    refused(told, "there is no file none.onnx")
