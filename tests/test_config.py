import json
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from automl.config import Config, canonical, choices, decode, encode, exchanged
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
class Grown(Config):
    """A class that got `sides`, when all had four, and `corners`, which nothing had."""

    size: int = 1
    sides: int = 6
    corners: tuple[int, ...] = ()
    later_fields: ClassVar[dict[str, object]] = {"sides": 4, "corners": ()}


def test_a_later_field_is_left_out_where_all_is_as_before():
    before = '{"size":1,"type":"Grown"}'
    assert canonical(Grown(sides=4)) == before
    assert decode(json.loads(before)) == Grown(sides=4)
    for value in (Grown(), Grown(sides=4, corners=(1,))):
        assert canonical(value) != before
        assert decode(json.loads(canonical(value))) == value


def test_what_is_written_by_hand_has_the_defaults_of_today():
    written = {"type": "Grown", "size": 2}
    assert decode(written, is_written_by_hand=True) == Grown(size=2, sides=6)
    assert decode([{"inner": written}], is_written_by_hand=True) == ({"inner": Grown(size=2)},)


@dataclass(frozen=True)
class Derived(Config):
    width: int = 1
    doubled: int = field(init=False, default=0)

    def __post_init__(self):
        object.__setattr__(self, "doubled", 2 * self.width)


def test_a_field_that_follows_from_others_is_not_kept():
    assert canonical(Derived(3)) == '{"type":"Derived","width":3}'
    assert decode(encode(Derived(3))) == Derived(3)
    assert exchanged(Derived(3), SGD(), AdamW()).doubled == 6
