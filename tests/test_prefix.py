from dataclasses import dataclass, replace

from automl.models.mlp import MLP
from automl.prefix import prefix_keys


def test_configs_that_share_a_prefix_share_its_keys(config):
    longer_tuning = replace(config.recipe[2], epochs=9)
    other = replace(config, recipe=(*config.recipe[:2], longer_tuning, config.recipe[3]))
    mine, theirs = prefix_keys(config), prefix_keys(other)
    assert mine[:2] == theirs[:2]
    assert not set(mine[2:]) & set(theirs[2:])


def test_seed_and_model_are_part_of_the_key(config):
    variants = [config, replace(config, seed=1), replace(config, model=MLP((40,)))]
    assert len({prefix_keys(variant)[0] for variant in variants}) == 3


def test_the_space_files_text_counts_only_where_its_classes_are_used(config):
    @dataclass(frozen=True)
    class Homemade(MLP):
        pass

    Homemade.__module__ = "automl_space_test"
    own = replace(config, model=Homemade((32,)))
    assert prefix_keys(config, "text a") == prefix_keys(config, "text b")
    assert prefix_keys(own, "text a") != prefix_keys(own, "text b")


def test_a_label_is_the_class_in_snake_case_unless_given(config):
    assert [step.label for step in config.recipe] == ["train", "prune", "fine_tune", "quantize"]
