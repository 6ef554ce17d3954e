"""A space of which much raises, for some values: what a user's file may hold, at its worst."""

import os
from dataclasses import dataclass

from torch import nn

from automl import MLP, Int, Metric, OneOf, Quantize, Sklearn, Space, Step, Train, TrialConfig
from automl.recipe import Report


class CannotBePickled(Exception):
    def __init__(self):
        super().__init__("it holds a function")
        self.held = lambda: None


class CannotBeTold(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@dataclass(frozen=True)
class Fragile(MLP):
    """Raises in `groups` at one width, when it is built at another, in its forward at a third."""

    def build(self, input_shape, num_outputs):
        body = super().build(input_shape, num_outputs)
        if self.widths[0] == 24:
            raise ValueError("24 units cannot be")
        return nn.Sequential(body, Stumbling()) if self.widths[0] == 32 else body

    def groups(self):
        if self.widths[0] == 16:
            raise KeyError("groups of 16")
        return super().groups()


class Stumbling(nn.Module):
    def forward(self, inputs):
        raise RuntimeError("its forward stumbles")


@dataclass(frozen=True)
class Picky(Step):
    """Is refused by itself at 3, cannot be named at 4, and nothing can be told of it at 5."""

    value: int = 0
    compresses = False

    def __post_init__(self):
        super().__post_init__()
        if self.value == 3:
            raise ZeroDivisionError("3 is refused")

    def fingerprint(self):
        if self.value == 4:
            raise OSError("the file of 4 is gone")
        return super().fingerprint()

    def after(self, network):
        if self.value == 5:
            raise LookupError("nothing is known of 5")
        return [network]

    def apply(self, network, context):
        return network


@dataclass(frozen=True)
class Faulty(Step):
    """Does what it is told, but for a few things."""

    what: str = "nothing"
    compresses = False

    def run(self, network, context):
        match self.what:
            case "unpicklable":
                raise CannotBePickled
            case "wordless":
                raise CannotBeTold
            case "exit":
                raise SystemExit(3)
            case "interrupt":
                raise KeyboardInterrupt
            case "death":
                os._exit(1)
            case "no report":
                yield "half done"
            case "odd report":
                yield Report(self.label, 1, 1, {"loss": "low"})
            case "endless report":
                yield Report(self.label, 1, 1, {"loss": float("nan")})
            case "odd note":
                context.notes.append(nn.Linear(1, 1))
            case "odd finding":
                context.sensitivity[self.label] = Finding()
        return network


class Finding:
    def as_json(self):
        return {"layers": {1, 2}}


if not __name__.startswith("helpers"):
    # A test's own process would measure everything by it.

    class Moody(Metric):
        """Raises on some answers, and gives no number on others."""

        def __call__(self, outputs, targets):
            mood = int(abs(float(outputs[0, 0])) * 1e4) % 9
            if mood == 0:
                raise ArithmeticError("in a mood")
            return float("inf") if mood == 1 else 0.5


FAULTS = ("unpicklable", "wordless", "exit", "interrupt", "no report", "odd report", "odd finding")
"""Those that fail a trial; the process dies of "death", the others do no harm."""

space = Space(
    TrialConfig(
        Sklearn("digits"),
        Fragile((Int(8, 64, step=8),)),
        (
            Train(epochs=1),
            Picky(Int(0, 5)),
            Faulty(OneOf("nothing", "odd note", "endless report", "death", *FAULTS)),
            OneOf(None, Quantize()),
        ),
    ),
    ("accuracy", "size_bytes"),
)
