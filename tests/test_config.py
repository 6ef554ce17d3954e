import json
from dataclasses import dataclass

import pytest

from automl.config import Config, UserError, choices, decode, encode
from automl.training.optimizers import SGD, AdamW, Optimizer


def test_a_config_survives_json_exactly(config):
    assert decode(json.loads(json.dumps(encode(config)))) == config


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


def test_an_unknown_class_is_named():
    with pytest.raises(UserError, match="no class named 'Nope'"):
        decode({"type": "Nope"})
