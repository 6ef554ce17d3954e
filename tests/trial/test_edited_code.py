"""A user's code that is edited between two searches: what it makes is made anew."""

import sys

import onnx
import pytest
from helpers.own_modules import begin_anew, write
from helpers.trials import drive

from automl import user_code
from automl.space import exploring, space_file

NETS = """
from torch import nn

def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
"""
FACTORY = "from nets_of_mine import net\n\ndef make():\n    return net()\n"
SPACE = """
from automl import Imported, Sklearn, Space, Train, TrialConfig
{}
space = Space(TrialConfig(Sklearn("digits"), Imported({}), (Train(epochs=1),)))
"""


@pytest.mark.parametrize(
    "text", [SPACE.format(FACTORY, "make"), SPACE.format("", "'factory_of_mine:make'")]
)
def test_an_edited_network_is_trained_and_not_taken_from_the_store(
    text, tmp_path, monkeypatch, store
):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    reused, found = [], []
    for nets in (NETS, NETS, NETS.replace("ReLU", "Tanh")):
        write(tmp_path, {"factory_of_mine.py": FACTORY, "nets_of_mine.py": nets})
        (config,) = exploring.explore(space_file.load(text)).configs
        _, result = drive(config, store, space_source=user_code.fingerprint(text))
        file = onnx.load_from_string(store.read(result.key, "model.onnx"))
        reused.append(result.reused_steps)
        found.append({"Relu", "Tanh"} & {node.op_type for node in file.graph.node})
    begin_anew(tmp_path)
    assert reused == [0, 1, 0]
    assert found == [{"Relu"}, {"Relu"}, {"Tanh"}]
