"""Modules as people have them: wrapped, in half precision, lazy, with more than one output."""

import copy
import sys
from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from helpers.trials import DIGITS, load
from torch import Tensor, nn
from torch.nn import functional as F

from automl.errors import Rejected, UserError
from automl.export import onnx
from automl.export.traced import deployed_copy, example_rows, traced
from automl.models import foreign
from automl.models.deployed import Deployed, predict
from automl.models.family import dump, restore, untrained
from automl.models.imported import Imported
from automl.runtimes import onnx as runtime


def plain():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def compiled():
    return torch.compile(plain())


def parallel():
    return nn.DataParallel(plain())


def half():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(64, 16), nn.Linear(16, 10)
            self.to(torch.bfloat16)

        def forward(self, x):
            x = self.first(x.flatten(1).bfloat16()).relu().to(dtype=self.last.weight.dtype)
            return self.last(x + torch.ones(16, dtype=torch.bfloat16)).float()

    return Half()


def double():
    return plain().double()


def casts_inside():
    class Casts(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 10)

        def forward(self, x):
            return F.linear(x.flatten(1).bfloat16(), self.layer.weight.bfloat16()).float()

    return Casts()


class Autocasts(nn.Module):
    """Computes in bfloat16 by autocast, and casts before it and in it."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(64, 16), nn.Linear(16, 10)

    def forward(self, x):
        x = x.flatten(1).bfloat16()
        with torch.autocast("cpu", torch.bfloat16):
            x = self.first(x).relu()
            return self.last(x.to(torch.bfloat16))


def autocasts():
    return Autocasts()


def decorated():
    class Decorated(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = plain()

        @torch.autocast("cpu", torch.bfloat16)
        def forward(self, x):
            return self.net(x)

    return Decorated()


def lazy():
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(10))


def extra_state():
    class Versioned(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.version = plain(), {"made": "2026"}

        def get_extra_state(self):
            return self.version

        def set_extra_state(self, state):
            self.version = state

        def forward(self, x, mask=None):
            return self.net(x if mask is None else x * mask)

    return Versioned()


def old_norms():
    first = nn.utils.weight_norm(nn.Linear(64, 16))
    return nn.Sequential(nn.Flatten(), first, nn.utils.spectral_norm(nn.Linear(16, 10)))


def length_of_rows():
    class Length(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.layer = nn.Parameter(torch.randn(1, 64)), nn.Linear(128, 10)

        def forward(self, x):
            return self.layer(torch.cat([self.token.expand(len(x), -1), x.flatten(1)], 1))

    return Length()


def recurrent():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = nn.GRU(8, 12, batch_first=True, bidirectional=True)
            self.cell, self.head = nn.GRUCell(24, 12), nn.Linear(12, 10)

        def forward(self, x):
            x, _ = self.gru(x.squeeze(1))
            h = x.new_zeros(len(x), 12)
            for step in range(0, x.size(1), 4):
                h = self.cell(x[:, step], h)
            return self.head(h)

    return Recurrent()


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.parametrize(
    "factory",
    [
        *(compiled, parallel, half, double, casts_inside, autocasts, decorated, lazy),
        *(extra_state, old_norms, length_of_rows, recurrent),
    ],
    ids=lambda factory: factory.__name__,
)
def test_it_is_saved_copied_and_exported_for_any_number_of_rows(factory):
    data = load(DIGITS)
    network = untrained(Imported(factory), data.info).eval()
    files = dump(network)
    again = restore(files["weights.safetensors"], files["spec.json"]).eval()
    rows = data.validation.inputs[:5]
    expected = predict(Deployed(network, data.info), torch.from_numpy(rows))
    for other in (again, copy.deepcopy(network)):
        assert torch.equal(predict(Deployed(other, data.info), torch.from_numpy(rows)), expected)
    session = runtime.session(onnx.export(network, data))
    for count in (1, 3, 5):
        answers = torch.from_numpy(runtime.run(session, rows[:count]))
        exact = factory not in (casts_inside, autocasts)
        assert torch.allclose(answers, expected[:count], atol=1e-4 if exact else 0.05)


def test_wrappers_leave_the_layers_their_names():
    for factory in (compiled, parallel):
        assert "1.weight" in untrained(Imported(factory), load(DIGITS).info).body.state_dict()


def test_half_precision_is_computed_in_fp32_and_told():
    network = untrained(Imported(half), load(DIGITS).info)
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert foreign.notes(network) == (
        "this module is bfloat16; it is computed and exported in fp32",
    )
    assert torch.zeros(1).bfloat16().dtype == torch.bfloat16


def test_autocast_is_computed_in_fp32_but_for_training_and_told_once():
    network = untrained(Imported(decorated), load(DIGITS).info).eval()
    rows = torch.randn(5, 1, 8, 8)
    for _ in range(2):
        assert torch.equal(network(rows), network.body.net(rows))
    assert foreign.notes(network) == (
        "this module computes in bfloat16 by autocast; but for its training it is computed and "
        "exported in fp32",
    )
    assert network.train()(rows).dtype == torch.bfloat16


def not_exported():
    class NotExported(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.last = plain(), nn.Linear(10, 10).half()

        def forward(self, rows):
            if torch.compiler.is_exporting():
                raise ValueError("not in an export")
            return self.last(self.net(rows).half()).float()

    return NotExported()


def as_program(network, data):
    return traced(deployed_copy(network, data), example_rows(data, 2), 8, "pt2")


@pytest.mark.parametrize("write", [onnx.export, as_program])
def test_an_export_that_fails_leaves_other_modules_as_they_were(write):
    data, rows = load(DIGITS), torch.ones(2, 2)
    network = untrained(Imported(not_exported), data.info).eval()
    for _ in range(2):
        with pytest.raises(Rejected, match="not in an export"):
            write(network, data)
        assert rows.half().dtype == torch.float16
        with torch.autocast("cpu", torch.bfloat16):
            assert (rows @ rows).dtype == torch.bfloat16
        assert network(torch.ones(2, 1, 8, 8)).dtype == torch.float32


def test_training_in_bf16_stays_as_it_is_around_a_module_that_opens_no_region():
    network = untrained(Imported(plain), load(DIGITS).info).eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert network(torch.randn(5, 1, 8, 8)).dtype == torch.bfloat16


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_old_norms_become_new_ones_that_answer_alike():
    torch.manual_seed(0)
    own = old_norms().eval()
    torch.manual_seed(0)
    network = untrained(Imported(old_norms), load(DIGITS).info).eval()
    rows = torch.randn(3, 1, 8, 8)
    assert torch.allclose(network(rows), own(rows), atol=1e-6)
    assert not hasattr(network.body[1], "weight_g")


def scripted():
    return torch.jit.script(plain())


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_torchscript_is_told():
    with pytest.raises(UserError, match=r"that is TorchScript; give the module it was made from"):
        untrained(Imported(scripted), load(DIGITS).info)


Pair = namedtuple("Pair", ["features", "logits"])


@dataclass
class Output:
    features: Tensor
    scores: Tensor


class Several(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind, self.body, self.head = kind, nn.Linear(64, 16), nn.Linear(16, 10)

    def forward(self, x):
        features = self.body(x.flatten(1)).relu()
        scores = self.head(features)
        return {
            "tuple": lambda: (scores, features),
            "features_first": lambda: [features, scores],
            "pair": lambda: Pair(features, scores),
            "dict": lambda: {"features": features, "logits": scores},
            "only": lambda: {"scores": scores},
            "dataclass": lambda: Output(features, scores),
            "nothing": lambda: None,
        }[self.kind]()


def several(kind):
    return Several(kind)


@pytest.mark.parametrize(
    ("kind", "output"),
    [
        *(("tuple", ""), ("features_first", "1"), ("pair", ""), ("dict", "")),
        ("only", ""),
        ("dataclass", "scores"),
    ],
)
def test_one_of_several_outputs_is_taken(kind, output):
    network = untrained(Imported(several, options={"kind": kind}, output=output), load(DIGITS).info)
    rows = torch.randn(3, 1, 8, 8)
    features = network.body.body(rows.flatten(1)).relu()
    assert torch.equal(network(rows), network.body.head(features))
    assert set(network.body.state_dict()) == set(Several(kind).state_dict())


@pytest.mark.parametrize(
    ("kind", "output", "sentence"),
    [
        ("features_first", "", r"has more than one output; it gives list of '0' \(2, 16\), '1' "),
        ("dataclass", "", r"it gives Output of 'features' .*, 'scores' .*output=\"NAME\""),
        ("dict", "score", r"has no output 'score'; it gives dict of 'features'"),
        ("nothing", "", "it gives NoneType of no tensors"),
    ],
)
def test_outputs_that_are_not_found_are_listed(kind, output, sentence):
    network = untrained(Imported(several, options={"kind": kind}, output=output), load(DIGITS).info)
    with pytest.raises(UserError, match=sentence):
        network(torch.randn(2, 1, 8, 8))


def test_the_package_of_this_file_keeps_its_own_len():
    onnx.export(untrained(Imported(length_of_rows), load(DIGITS).info), load(DIGITS))
    assert "len" not in vars(sys.modules[__name__])


HELD, BACKBONE, TABLE = nn.Linear(64, 10), plain()[:2], nn.Parameter(torch.ones(64, 10))


def held():
    return nn.Sequential(nn.Flatten(), HELD)


def backbone():
    return nn.Sequential(BACKBONE, nn.Linear(16, 10))


class Table(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = TABLE

    def forward(self, x):
        return x.flatten(1) @ self.table


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (held, "the same layer '1' each time; build it inside the function"),
        (backbone, "the same layer '0.1' each"),
        (Table, "the same tensor 'table' each"),
    ],
)
def test_a_module_that_was_given_before_is_refused(factory, sentence):
    info = load(DIGITS).info
    family = Imported(factory)
    untrained(family, info)
    with pytest.raises(UserError, match=sentence):
        untrained(family, info)


def test_a_module_that_is_built_anew_may_share_what_holds_no_tensor():
    relu, kept = nn.ReLU(), []
    for _ in range(2):
        kept.append(nn.Sequential(nn.Linear(4, 4), relu))
        foreign.check_new(kept[-1], "it")
