import json
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Optional

import pytest

from automl.config import Config, check_types, choices, decode, encode
from automl.errors import UserError
from automl.training.optimizers import SGD, AdamW, Optimizer


def test_a_config_survives_json_exactly(config):
    assert decode(json.loads(json.dumps(encode(config)))) == config


@pytest.mark.parametrize(
    "value", [{"type": 3}, {"type": "SGD"}, {"a": {"type": "dict", "items": {"type": SGD()}}}]
)
def test_a_dict_with_a_key_named_type_survives_json(value):
    assert decode(json.loads(json.dumps(encode(value)))) == value


def test_choices_are_the_registered_classes_of_a_kind():
    assert choices(Optimizer)["SGD"] is SGD
    assert choices(Optimizer)["AdamW"] is AdamW
    assert "Optimizer" not in choices(Optimizer)


def test_a_users_class_may_be_defined_again_but_not_take_our_name():
    for _ in range(2):

        @dataclass(frozen=True)
        class MyOwn(Config):
            size: int = 1

        MyOwn.__module__ = "automl_space_x"
    with pytest.raises(UserError, match="takes the name of"):
        type("SGD", (Config,), {})


class Undecorated(Optimizer):
    """As a user may forget."""

    weight_decay: float = 0.0


class MoreDecay(SGD):
    power: float = 2.0


class SGDByAnotherName(SGD):
    usual_learning_rate: ClassVar[float] = 0.2


def test_a_class_without_its_decorator_is_told():
    for make in (Undecorated, MoreDecay, lambda: Undecorated(weight_decay=0.1)):
        with pytest.raises(UserError, match=r"write @dataclass\(frozen=True\) above it"):
            make()
    assert SGDByAnotherName(0.5).weight_decay == 0.5


@pytest.mark.parametrize("name", ["Nope", "Optimizer", ["a"], 5])
def test_what_is_no_registered_choice_is_named(name):
    with pytest.raises(UserError, match=r"no class named .* is registered"):
        decode({"type": name})


@dataclass(frozen=True)
class Typed(Config):
    """A field of every kind of annotation that is checked; `unknown` cannot be resolved."""

    count: int = 1
    share: float = 0.5
    name: str = ""
    is_on: bool = False
    sizes: tuple[int, ...] = ()
    pair: tuple[int, str] = (1, "a")
    maybe: Optional[int] = None  # noqa: UP045
    either: int | str = 1
    mode: Literal["fast", "slow"] = "fast"
    table: dict[str, int] | None = None
    anything: Any = None
    optimizer: Optimizer = field(default_factory=SGD)
    optimizers: tuple[Optimizer | None, ...] = ()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"share": 1, "sizes": (1, 2), "maybe": 3, "either": "x", "mode": "slow"},
        {"table": {"a": 1}, "anything": {"b": (1, SGD())}, "optimizer": AdamW()},
        {"optimizers": (SGD(), None)},
    ],
)
def test_values_as_annotated_pass(fields):
    check_types(Typed(**fields))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"count": True}, "Typed.count is True; it must be an integer"),
        ({"count": 1.0}, "Typed.count is 1.0; it must be an integer"),
        ({"share": "a"}, "Typed.share is 'a'; it must be a number"),
        ({"share": False}, "Typed.share is False; it must be a number"),
        ({"name": None}, "Typed.name is None; it must be a text"),
        ({"is_on": 1}, "Typed.is_on is 1; it must be True or False"),
        ({"sizes": 8}, "Typed.sizes is 8; it must be a tuple, each item an integer"),
        ({"sizes": (8, "a")}, "Typed.sizes is (8, 'a'); it must be a tuple, each item an integer"),
        ({"pair": (1,)}, "Typed.pair is (1,); it must be a tuple of an integer, a text"),
        ({"maybe": "x"}, "Typed.maybe is 'x'; it must be an integer or None"),
        ({"either": None}, "Typed.either is None; it must be an integer or a text"),
        ({"mode": "fats"}, "Typed.mode is 'fats'; it must be 'fast' or 'slow'"),
        (
            {"table": {"a": "b"}},
            "Typed.table is {'a': 'b'}; it must be a dict from a text to an integer or None",
        ),
        ({"anything": {1: 2}}, "Typed.anything is {1: 2}; it must be what JSON can hold"),
        ({"optimizer": "SGD"}, "Typed.optimizer is 'SGD'; it must be an Optimizer (Gradient"),
        ({"optimizers": (SGD,)}, "it must be a tuple, each item an Optimizer (GradientDescent, "),
        ({"optimizer": SGD(weight_decay="0")}, "SGD.weight_decay is '0'; it must be a number"),
        ({"anything": (SGD(weight_decay=None),)}, "SGD.weight_decay is None; it must be a number"),
    ],
)
def test_a_value_unlike_its_annotation_is_told(fields, sentence):
    with pytest.raises(UserError) as caught:
        check_types(Typed(**fields))
    assert sentence in str(caught.value)
