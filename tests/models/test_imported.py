"""A user's own module: made by a function of the space file, or of an importable package."""

import functools
import sys
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from helpers.own_modules import write
from helpers.trials import DIGITS, drive, finish, load
from torch import nn

from automl import quality, user_code
from automl.compression.binarize import Binarize
from automl.compression.clip import Clip
from automl.compression.factorize import Factorize
from automl.compression.quantize import Quantize
from automl.config import decode, encode
from automl.data.dataset import Scaling
from automl.data.sklearn import Sklearn
from automl.errors import UserError
from automl.models.deployed import Deployed, predict
from automl.models.family import dump, restore, untrained
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.space import exploring, space_file
from automl.space.domains import Int, OneOf
from automl.space.space import Space, TrialConfig
from automl.space.space_object import as_text
from automl.space.store_keys import prefix_keys
from automl.training.loop import Train
from automl.training.optimizers import SGD, AdamW
from automl.training.schedules import Fixed
from automl.trial.reference_model import largest

DIABETES = Sklearn("diabetes")
SPACE = """
from torch import nn
from automl import Quantize
from automl import Sklearn
from automl import Imported
from automl import OneOf, Space, TrialConfig
from automl import Train


def net(width=64):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


space = Space(TrialConfig(Sklearn("digits"), Imported(net), (Train(epochs=8), Quantize())))
"""
MODULE = """
import functools
from torch import nn

def net(width=64, outputs=10):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, outputs))

def typed(width, type, sizes=()):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, width))
    net.add_module("head" if type == "mlp" else "last", nn.Linear(width, 10))
    return net

def broken():
    raise RuntimeError("no weights here")

def number():
    return 7

class Net(nn.Sequential):
    width = 8

    @classmethod
    def make(cls):
        return cls(nn.Flatten(), nn.Linear(64, cls.width), nn.Linear(cls.width, 10))

class WideNet(Net):
    width = 99

@functools.wraps(net)
def wide():
    return net(width=999)
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "my_package_of_nets.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("my_package_of_nets", None)


def test_a_function_of_the_space_file_is_trained_quantized_and_exported(store):
    (config,) = exploring.explore(space_file.load(SPACE)).configs
    reports, result = drive(config, store, space_source=user_code.fingerprint(SPACE))
    assert (result.status, result.reason) == ("complete", "")
    assert reports[-1].metrics["accuracy"] > 0.8
    assert decode(encode(config)) == config


def test_an_edit_of_the_function_changes_the_keys():
    edited = SPACE.replace("nn.ReLU()", "nn.GELU()")
    keys = []
    for text in (SPACE, edited):
        (config,) = exploring.explore(space_file.load(text)).configs
        keys.append(prefix_keys(config, user_code.fingerprint(text)))
    assert not set(keys[0]) & set(keys[1])


def test_a_trained_module_is_compressed_without_training(package, store, tmp_path):
    torch.manual_seed(1)
    model = Imported("my_package_of_nets:net", options={"width": 128})
    weights = untrained(model, load(DIGITS).info).body.state_dict()
    safetensors.torch.save_file(weights, tmp_path / "trained.safetensors")
    model = replace(model, weights=str(tmp_path / "trained.safetensors"), mean=(0.0,), std=(16.0,))
    assert model.scaling(load(DIGITS).info) == Scaling((0.0,), (16.0,))
    restored = untrained(model, load(DIGITS).info).body.state_dict()
    assert all(torch.equal(restored[name], weights[name]) for name in weights)
    _, as_it_is = drive(TrialConfig(DIGITS, model, ()), store)
    _, smaller = drive(TrialConfig(DIGITS, model, (Quantize(),)), store)
    assert (as_it_is.status, smaller.status) == ("complete", "complete")
    assert smaller.measurement.size_bytes < as_it_is.measurement.size_bytes / 2


def test_options_may_be_domains_and_have_any_name(package):
    options = {"width": Int(8, 16), "type": OneOf("conv", "mlp"), "sizes": [{"type": Int(2, 3)}]}
    model = Imported("my_package_of_nets:typed", options=options)
    searched = Space(TrialConfig(DIGITS, model, (Train(epochs=1),)))
    explored = exploring.validate(searched)
    assert set(explored.domains) == {
        "model.options.width",
        "model.options.type",
        "model.options.sizes.0.type",
    }
    model = explored.configs[1].model
    assert model.options == {"width": 16, "type": "mlp", "sizes": ({"type": 3},)}
    network = untrained(model, load(DIGITS).info)
    files = dump(network)
    again = restore(files["weights.safetensors"], files["spec.json"])
    assert again.spec == network.spec
    assert "head.weight" in again.body.state_dict()
    fixed = {"model.options.width": "4", "model.options.sizes": "[]"}
    assert {
        (config.model.options["width"], config.model.options["sizes"])
        for config in exploring.validate(replace(searched, fixed=fixed)).configs
    } == {(4, ())}
    fixed = {"model.options": '{"type": "mlp", "width": 5}'}
    (config,) = exploring.validate(replace(searched, fixed=fixed)).configs
    assert config.model.options == {"type": "mlp", "width": 5}


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ({"options": {"act": nn.ReLU}}, r"Imported\.options is .*ReLU.*what JSON can hold"),
        ({"options": {1: 2}}, r"Imported\.options is \{1: 2\}; it must be a dict from a text"),
        ({"std": (0.0,)}, r"Imported\(.*: std must be above 0, not 0\.0"),
        ({"std": 16.0}, r"Imported\.std is 16\.0; it must be a tuple"),
    ],
)
def test_options_and_numbers_that_cannot_be_are_told(package, model, sentence):
    trial = TrialConfig(DIGITS, Imported("my_package_of_nets:net", **model), ())
    with pytest.raises(UserError, match=sentence):
        exploring.validate(Space(trial))


def test_other_weights_are_another_model(package, tmp_path):
    model = Imported("my_package_of_nets:net", str(tmp_path / "w.safetensors"))
    seen = set()
    for value in (0.0, 1.0):
        state = {name: torch.full_like(t, value) for name, t in _net().state_dict().items()}
        safetensors.torch.save_file(state, tmp_path / "w.safetensors")
        seen.add(model.fingerprint())
    write(package, {"my_package_of_nets.py": MODULE + "\n"})
    assert len({*seen, model.fingerprint()}) == 3


def test_what_is_wrong_is_told_in_one_sentence(package, tmp_path):
    info = load(DIGITS).info
    with pytest.raises(UserError, match="raised RuntimeError: no weights here"):
        untrained(Imported("my_package_of_nets:broken"), info)
    with pytest.raises(UserError, match=r"gave int, not a torch\.nn\.Module"):
        untrained(Imported("my_package_of_nets:number"), info)
    with pytest.raises(UserError, match=r"cannot be imported: .*no_such"):
        untrained(Imported("my_package_of_nets:no_such"), info)
    with pytest.raises(UserError, match=r"cannot be imported: .*No module named 'no_such_package'"):
        Imported("no_such_package.nets:net").fingerprint()
    with pytest.raises(UserError, match="at the top level of the space file"):
        Imported(lambda: None)
    with pytest.raises(UserError, match=r'write "package\.module:function"'):
        Imported("my_package_of_nets")
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(
        UserError, match=r"w\.safetensors does not fit Imported\('my_package_of_nets:net'\)"
    ):
        untrained(Imported("my_package_of_nets:net", str(tmp_path / "w.safetensors")), info)


def test_a_class_method_makes_the_class_that_it_is_called_on(package):
    from my_package_of_nets import Net, WideNet

    text = MODULE + (
        "from automl import Imported, Sklearn, Space, TrialConfig\n"
        "models = Imported(Net.make), Imported(WideNet.make)\n"
        'space = Space(TrialConfig(Sklearn("digits"), models, ()))\n'
    )
    for models in ((Imported(Net.make), Imported(WideNet.make)), space_file.load(text).trial.model):
        found = [untrained(model, load(DIGITS).info).body[1].out_features for model in models]
        assert found == [8, 99]


def test_one_of_several_modules_is_searched_and_named_by_its_function():
    text = SPACE.replace("Imported(net)", "Imported(OneOf(net, wide, likely=wide))").replace(
        "\n\n\nspace", "\n\n\ndef wide():\n    return net(width=96)\n\n\nspace"
    )
    space = space_file.load(text)
    explored = exploring.validate(space)
    assert explored.domains["model.factory"].names() == ["net", "wide"]
    assert explored.domains["model.factory"].likely == "wide"
    for fixed, widths in (({}, [64, 96]), ({"model.factory": "wide"}, [96])):
        configs = exploring.validate(replace(space, fixed=fixed)).configs
        built = [untrained(decode(encode(c.model)), load(DIGITS).info).body for c in configs]
        assert [body[1].out_features for body in built] == widths


def test_one_of_several_names_of_modules_is_searched(package):
    names = "my_package_of_nets:net", "my_package_of_nets:WideNet.make"
    space = Space(TrialConfig(DIGITS, Imported(OneOf(*names)), ()))
    configs = exploring.validate(space_file.load(as_text(space))).configs
    built = [untrained(config.model, load(DIGITS).info).body for config in configs]
    assert [body[1].out_features for body in built] == [64, 99]


def test_what_is_no_module_among_several_is_refused(package):
    for wrong, sentence in (
        ("nets", r'write "package\.module:function"'),
        (lambda: None, "at the top level of the space file"),
        (MLP(), r'Imported\(MLP.*write "package\.module:function"'),
    ):
        with pytest.raises(UserError, match=sentence):
            Imported(OneOf("my_package_of_nets:net", wrong))
    with pytest.raises(UserError, match=r"option functools\.partial.*has no name"):
        OneOf(functools.partial(int), int)
    space = Space(TrialConfig(DIGITS, Imported(OneOf(nn.ReLU, nn.GELU)), ()))
    with pytest.raises(UserError, match=r'"package\.module:function" in a OneOf'):
        as_text(space)


def test_a_function_that_its_name_does_not_lead_to_is_refused(package):
    import my_package_of_nets as own

    with pytest.raises(
        UserError, match=r"Imported\(net\): what is found .* not the function given"
    ):
        Imported(own.wide)
    with pytest.raises(UserError, match=r"partial.*its arguments as options="):
        Imported(functools.partial(own.net, width=4))


def line(width=10):
    return nn.Linear(width, 1)


@pytest.fixture
def trained_line(tmp_path):
    """The line through the training rows of diabetes, in the units of its rows and targets."""
    data = load(DIABETES)
    rows = np.column_stack([data.train.inputs[:], np.ones(len(data.train.targets))])
    *weight, bias = np.linalg.lstsq(rows, data.train.targets[:, 0], rcond=None)[0].tolist()
    state = {"weight": torch.tensor([weight]), "bias": torch.tensor([bias])}
    safetensors.torch.save_file(state, tmp_path / "line.safetensors")
    return Imported(line, str(tmp_path / "line.safetensors"), mean=(0.0,), std=(1.0,))


def test_a_trained_regression_module_answers_in_the_targets_own_units(trained_line):
    data = load(DIABETES)
    network, rows = untrained(trained_line, data.info), torch.from_numpy(data.validation.inputs)
    assert torch.equal(predict(Deployed(network, data.info), rows), predict(network, rows))
    assert quality.measured(predict(network, rows).numpy(), data.validation.targets)["r2"] > 0.4


@pytest.mark.parametrize("optimizer", [AdamW(), SGD()], ids=str)
def test_a_trained_regression_module_is_tuned_on_the_targets_own_units(
    optimizer, trained_line, context
):
    data = load(DIABETES)
    before = predict(untrained(trained_line, data.info), torch.from_numpy(data.train.inputs[:]))
    error = float(((before - torch.from_numpy(data.train.targets)) ** 2).mean())
    step = Train(optimizer, Fixed(1e-3), epochs=3)
    *_, last = step.run(untrained(trained_line, data.info), replace(context, data=data))
    assert last.metrics["loss"] == pytest.approx(error, rel=0.05)
    assert last.metrics["r2"] > 0.4


def _net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def test_two_space_files_with_a_function_of_one_name_keep_apart():
    wider = SPACE.replace("width=64", "width=96")
    models = []
    for text in (SPACE, wider, SPACE):
        (config,) = exploring.explore(space_file.load(text)).configs
        models.append(untrained(config.model, load(DIGITS).info).body[1].out_features)
    assert models == [64, 96, 64]


def test_another_space_statement_leaves_the_function_its_name():
    (first,) = exploring.explore(space_file.load(SPACE)).configs
    (second,) = exploring.explore(space_file.load(SPACE.replace("epochs=8", "epochs=9"))).configs
    assert first.model == second.model


def test_tied_weights_are_trained_and_stored(store):
    text = SPACE.replace(
        "    return nn",
        "    first, last = nn.Linear(64, 64), nn.Linear(64, 10)\n"
        "    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), first, nn.ReLU(), last)\n"
        "    return nn",
    )
    (config,) = exploring.explore(space_file.load(text)).configs
    config = replace(config, recipe=config.recipe[:1])
    _, result = drive(config, store, space_source=user_code.fingerprint(text))
    assert (result.status, result.reason) == ("complete", "")


def layer():
    return nn.Linear(64, 10)


@pytest.mark.parametrize(
    "step", [Quantize(), Binarize(epochs=1), Factorize(rank=4), Clip(0.5)], ids=lambda s: s.label
)
def test_a_bare_layer_is_changed_and_stored(step, context):
    flat = replace(context, data=load(Sklearn("digits", (64,))))
    model = finish(step.run(untrained(Imported(layer), flat.data.info), flat))
    files = dump(model)
    again = restore(files["weights.safetensors"], files["spec.json"]).eval()
    rows = torch.randn(4, 64)
    assert torch.equal(again(rows), model(rows))
    assert model(rows).shape == (4, 10)


def test_a_module_that_cannot_be_exported_is_told(tmp_path):
    text = SPACE.replace(
        "def net(",
        "class Odd(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.layer = nn.Linear(64, 10)\n    def forward(self, x):\n"
        "        return self.layer(x.flatten(1)) if x.sum() > 0 else self.layer(-x.flatten(1))\n\n"
        "def odd():\n    return Odd()\n\ndef net(",
    ).replace("Imported(net)", "Imported(odd)")
    loaded = space_file.load(text)
    reference = largest(loaded, exploring.explore(loaded), tmp_path)
    with pytest.raises(UserError, match="cannot be exported to ONNX: "):
        reference.export()
