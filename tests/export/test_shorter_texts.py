"""A file takes texts without their padding where that changes no answer."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.datasets import reviews
from helpers.trials import finish
from torch import nn

from automl.compression.quantize import Quantize
from automl.data.dataset import load
from automl.data.padding import lengths
from automl.export import onnx
from automl.measure.file_times import Wanted, file_times
from automl.models.deployed import Deployed, predict
from automl.models.family import untrained
from automl.models.imported import Imported
from automl.runtimes import onnx as runtime
from automl.trial.checked_file import check_file


class Texts(nn.Module):
    """The mean of what a text's numbers stand for, in a way of its own."""

    def __init__(self, way):
        super().__init__()
        self.table, self.hidden, self.head = (
            nn.Embedding(256, 8),
            nn.Linear(8, 16),
            nn.Linear(16, 2),
        )
        self.way = way

    def forward(self, ids):
        known = self.hidden(self.table(ids)).relu()
        if self.way == "with padding":
            return self.head(known.mean(1))
        is_text = ids.ne(0).unsqueeze(-1).float()
        if self.way == "whole length":
            known = known.reshape(-1, 128, 16)
        return self.head((known * is_text).sum(1) / is_text.sum(1))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    return load(reviews(folder / "reviews.csv"), 0, folder)


def exported(way, data):
    torch.manual_seed(0)
    network = untrained(Imported(Texts, options={"way": way}), data.info).eval()
    return network, onnx.export(network, data)


def test_a_file_answers_a_text_of_any_length_up_to_the_longest(data, tmp_path):
    network, file = exported("without padding", data)
    signature = runtime.signature(runtime.session(file))
    assert signature.takes_shorter and signature.row_shape == data.info.input_shape
    check_file(file, network, data)
    session, rows = runtime.session(file), data.validation.inputs
    expected = predict(Deployed(network, data.info), torch.from_numpy(rows)).numpy()
    for row, length, answers in zip(rows, lengths(rows), expected):
        assert np.allclose(runtime.run(session, row[None, :length]), answers, atol=1e-5)
    (tmp_path / "model.onnx").write_bytes(file)
    assert file_times(Wanted((tmp_path / "model.onnx",))).files[0].latency_ms > 0


@pytest.mark.parametrize("way", ["with padding", "whole length"])
def test_a_file_keeps_its_length_where_padding_counts_or_the_module_needs_all_of_it(way, data):
    network, file = exported(way, data)
    signature = runtime.signature(runtime.session(file))
    assert not signature.takes_shorter and signature.row_shape == data.info.input_shape
    check_file(file, network, data)


def test_layers_that_round_by_what_they_read_take_shorter_texts_too(data, context):
    network, _ = exported("without padding", data)
    step = Quantize(8, activation_bits=None)
    coded = finish(step.run(network, replace(context, data=data)))
    file = onnx.export(coded, data)
    check_file(file, coded, data)
    assert runtime.signature(runtime.session(file)).takes_shorter
