"""What layers lose is measured one at a time, kept, and spread over a budget."""

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from automl.compression.calibration import seen_rows
from automl.compression.layer_sensitivity import (
    estimated_once,
    in_fewer_bits,
    measured,
    measured_once,
    measuring_rows,
    spread,
)
from automl.compression.quantization_grid import LIMITS, stored_bits
from automl.compression.quantize import Quantize
from automl.models.deployed import predict
from automl.models.mlp import MLP
from automl.models.weights import by_label
from automl.recipe import LayerOption, Step

FAMILY = MLP((16, 16))
LAYERS = ["block0.linear", "block1.linear", "head"]
TABLES = st.lists(
    st.lists(st.tuples(st.integers(1, 50), st.floats(0, 10)), min_size=1, max_size=6),
    min_size=1,
    max_size=6,
)


def total(chosen, what):
    return sum(getattr(option, what) for option in chosen.values())


def in_bits(losses, size):
    return [LayerOption(bits, size * bits, loss) for bits, loss in losses.items()]


@given(TABLES, st.integers(1, 300))
def test_a_budget_is_kept_where_it_can_be_and_nothing_better_fits(tables, budget):
    options = {str(i): [LayerOption(s, s, loss) for s, loss in own] for i, own in enumerate(tables)}
    chosen = spread(options, budget)
    least = sum(min(option.size for option in own) for own in options.values())
    assert total(chosen, "size") <= max(budget, least)
    for name, own in options.items():
        assert chosen[name] in own
        for other in own:
            fits = total(chosen | {name: other}, "size") <= budget
            assert not (fits and other.loss < chosen[name].loss)


def test_bits_are_spread_to_where_they_are_missed_most():
    sizes = {"large": 1000, "small": 100, "dear": 1000}
    loss = {8: 0.0, 4: 1.0, 2: 2.0, 1: 4.0}
    found = {name: in_bits(loss, size) for name, size in sizes.items()}
    found["dear"] = in_bits({bits: 100 * value for bits, value in loss.items()}, 1000)
    for average in (8, 6, 4, 2, 1):
        chosen = spread(found, average * 2100)
        assert total(chosen, "size") <= average * 2100
        assert chosen["dear"].value >= chosen["large"].value
    assert {option.value for option in spread(found, 8 * 2100).values()} == {8}
    assert {option.value for option in spread(found, 1 * 2100).values()} == {1}


def test_an_option_that_a_smaller_one_beats_is_never_kept():
    whole, worse, better = (
        LayerOption(4, 100, 0.0),
        LayerOption(3, 60, 5.0),
        LayerOption(2, 40, 1.0),
    )
    for budget in (60, 40):
        assert spread({"only": [worse, whole, better]}, budget) == {"only": better}
    assert spread({"only": [worse, better]}, 100) == {"only": better}


def test_what_the_last_step_saved_beyond_need_goes_back():
    large = [LayerOption(1, 100, 0.0), LayerOption(0, 10, 1.0)]
    small = [LayerOption(2, 40, 0.0), LayerOption(1, 20, 0.1), LayerOption(0, 10, 0.5)]
    chosen = spread({"large": large, "small": small}, 60)
    assert chosen == {"large": large[1], "small": small[0]}


def test_each_layer_is_rounded_to_fewer_and_fewer_values(build):
    network = build(FAMILY)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = [(layer, bits) for layer, bits, _, _ in in_fewer_bits(by_label(network.body))]
    assert found == [(layer, bits) for layer in LAYERS for bits in LIMITS]
    for layer, bits, size, tensors in in_fewer_bits(by_label(network.body)):
        ((name, weight),) = tensors.items()
        assert name == f"{layer}.weight"
        assert size == stored_bits(bits) * weight.numel()
        assert max(len(row.unique()) for row in weight) <= round(2**bits)
    after = network.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_a_loss_is_the_change_of_answers_relative_to_their_variance(build, context):
    network, halved = build(FAMILY), build(FAMILY)
    with torch.no_grad():
        halved.body.head.weight *= 0.5
        halved.body.head.bias *= 0.5
    candidates = [("head", 1, 2, network), ("head", 0, 1, halved)]
    same, half = measured(network, candidates, context)["head"]
    answers = predict(network, seen_rows(network, context))
    assert same == LayerOption(1, 2, 0.0)
    assert half.loss == pytest.approx(((answers / 2) ** 2).mean() / answers.var(0).mean())


def test_a_large_network_is_measured_on_fewer_rows_and_they_are_told(build, context):
    small, large, larger = build(FAMILY), build(MLP((1024, 1024))), build(MLP((4096, 4096)))
    assert [measuring_rows(network) for network in (small, large, larger)] == [512, 453, 64]
    for network, rows in ((small, {}), (large, {"rows": 453})):
        own = replace(context, sensitivity={})
        measured_once(Step(), "units", network, [("head", 1, 1, network)], own)
        assert own.sensitivity["step"].settings == rows


def test_kept_sensitivity_is_shown_without_measuring(build, context):
    kept, made = {}, []

    def once(name, make):
        if name not in kept:
            made.append(name)
            kept[name] = make()
        return kept[name]

    def result(step, **settings):
        own = replace(context, once=once, sensitivity={})
        network = build(FAMILY)
        changes = in_fewer_bits(by_label(network.body))
        options = estimated_once(step, "bits", network, changes, own, **settings)
        return options, {label: one.as_json() for label, one in own.sensitivity.items()}

    first, shown = result(Quantize())
    assert result(Quantize()) == (first, shown)
    assert len(made) == 1
    assert json.loads(json.dumps(shown)) == shown
    assert set(shown) == {"quantize"}
    assert shown["quantize"]["of"] == "bits"
    listed = shown["quantize"]["layers"]["head"]
    assert [(o["value"], o["loss"]) for o in listed] == [(o.value, o.loss) for o in first["head"]]
    other = result(Step(label="other"), keep=("head",))[1]
    assert other["other"]["keep"] == ["head"]
    assert len(set(made)) == 2
