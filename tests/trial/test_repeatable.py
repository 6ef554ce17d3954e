"""A user's module that does not answer alike is told before any training."""

from pathlib import Path

import pytest
import torch
from helpers.trials import CACHE, DIGITS
from torch import nn
from torch.nn import functional as F

from automl.errors import UserError
from automl.models.imported import Imported
from automl.space.domains import OneOf
from automl.space.exploring import explore
from automl.space.space import Space, TrialConfig
from automl.trial.reference_model import largest


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.flat, self.head = nn.Flatten(), nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.flat(x))


def plain():
    return Net()


def dropout():
    class Dropout(Net):
        def forward(self, x):
            return self.head(F.dropout(self.flat(x)))

    return Dropout()


def noisy_layer():
    class Noisy(nn.Module):
        def forward(self, x):
            return x + torch.randn_like(x)

    net = Net()
    net.flat = nn.Sequential(nn.Flatten(), Noisy())
    return net


def buffer():
    class Buffer(Net):
        def __init__(self):
            super().__init__()
            self.register_buffer("table", torch.randn(64), persistent=False)

        def forward(self, x):
            return self.head(self.flat(x) + self.table)

    return Buffer()


def attribute():
    class Attribute(Net):
        def __init__(self):
            super().__init__()
            self.table = torch.randn(64)

        def forward(self, x):
            return self.head(self.flat(x) + self.table)

    return Attribute()


def widths():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, int(torch.randint(2, 900, ()))), nn.LazyLinear(10)
    )


def of_the_batch():
    class OfTheBatch(Net):
        def forward(self, x):
            x = self.flat(x)
            return self.head(x - x.mean(0))

    return OfTheBatch()


def without_statistics():
    norm = nn.BatchNorm2d(1, track_running_stats=False)
    return nn.Sequential(nn.Identity(), norm, nn.Flatten(), nn.Linear(64, 10))


def for_two_rows():
    class ForTwoRows(Net):
        def forward(self, x):
            return self.head(x.view(2, 64))

    return ForTwoRows()


def row_by_row():
    class RowByRow(Net):
        def forward(self, x):
            return torch.stack([self.head(row.flatten()) for row in x])

    return RowByRow()


def by_values():
    class ByValues(Net):
        def forward(self, x):
            x = self.flat(x)
            return self.head(x) if x.sum() > 0 else self.head(-x)

    return ByValues()


def without_operator():
    class WithoutOperator(Net):
        def forward(self, x):
            return self.head(torch.special.bessel_j0(self.flat(x)))

    return WithoutOperator()


def raising():
    raise RuntimeError("\x1b[96mno\x1b[0m\n  luck")


def by_name(kind, other=0):
    return {"plain": plain, "raising": raising, "also": raising}[kind]()


def reference(factory, **options):
    space = Space(TrialConfig(DIGITS, Imported(factory, options=options), ()))
    return largest(space, explore(space), Path(CACHE.name))


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (dropout, "gives other answers each time for the same rows, in its own forward: "),
        (noisy_layer, r"gives other answers each time for the same rows, in the layer 'flat\.1'"),
        (buffer, "is made anew with other numbers each time, in the tensor 'table'"),
        (attribute, "is made anew with other numbers each time, in the tensor 'table'"),
        (widths, r"makes another module each time: '1\.weight' is \(\d+, 64\), then \(\d+, 64\)"),
        (for_two_rows, r"answers 2 rows, but not 3 .*; take the number of rows from `x\.shape\[0"),
        (raising, "raised RuntimeError: no luck$"),
    ],
)
def test_what_does_not_answer_alike_is_told(factory, sentence):
    with pytest.raises(UserError, match=sentence):
        reference(factory)


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (row_by_row, "its forward fixes the number of rows"),
        (
            by_values,
            r"goes on by the values of its input at line \d+ of test_repeatable\.py \(`retu",
        ),
        (without_operator, "it uses 'bessel_j0', which has no operator in ONNX"),
    ],
)
def test_what_cannot_be_a_file_is_told_in_one_line(factory, sentence):
    found = reference(factory)
    with pytest.raises(UserError, match=sentence) as error:
        found.export()
    assert "\n" not in str(error.value) and "\x1b" not in str(error.value)


def test_answers_that_depend_on_the_batch_are_noted():
    assert reference(plain).notes == ()
    (note,) = reference(of_the_batch).notes
    assert note == "the answer for a row depends on the rows beside it"
    (note,) = reference(without_statistics).notes
    assert note == (
        "the answer for a row depends on the rows beside it: layer '1' (BatchNorm2d) keeps no "
        "running statistics; build it with track_running_stats=True"
    )


def test_an_option_that_cannot_be_built_is_named():
    with pytest.raises(UserError) as error:
        reference(by_name, kind=OneOf("plain", "raising"), other=OneOf(1, 2))
    assert str(error.value) == (
        "model.options.kind=\"raising\": Imported('test_repeatable:by_name') raised RuntimeError: "
        "no luck; leave that option out, for instance by --set 'model.options.kind=\"plain\"'"
    )


def test_where_no_option_can_be_built_the_reason_is_told():
    with pytest.raises(UserError, match=r"^Imported\('test_repeatable:by_name'\) raised Runtime"):
        reference(by_name, kind=OneOf("raising", "also"))
