import pytest
import torch
from conftest import finish
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.compression.prune import Prune, cut, kept_width, magnitude
from automl.compression.quantize import Quantize
from automl.models.convnet import ConvNet
from automl.models.family import Network, Spec
from automl.models.linear import Linear
from automl.models.mlp import MLP
from automl.models.transformer import Transformer, TransformerLayer
from automl.recipe import Rejected


def masked(network, groups, kept):
    """The same network with every unit that is not kept silenced."""
    state = dict(network.body.state_dict())
    for group, units in zip(groups, kept):
        gone = [i for i in range(group.size) if i not in units.tolist()]
        for part in group.consumed:
            state[part.name] = state[part.name].index_fill(
                part.dim, torch.tensor(gone, dtype=torch.long), 0.0
            )
    silenced = Network(network.spec)
    silenced.body.load_state_dict(state)
    return silenced.eval()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_removing_units_equals_silencing_them(data):
    family = data.draw(st.sampled_from([MLP((24, 16)), ConvNet((16, 24, 8))]))
    torch.manual_seed(data.draw(st.integers(0, 99)))
    network = Network(Spec(family, (1, 8, 8), 10)).eval()
    groups = family.groups()
    kept = [
        torch.tensor(sorted(data.draw(st.sets(st.integers(0, g.size - 1), min_size=1))))
        for g in groups
    ]
    rows = torch.randn(5, 1, 8, 8)
    smaller = cut(network, groups, kept).eval()
    expected = masked(network, groups, kept)(rows)
    assert torch.allclose(smaller(rows), expected, atol=1e-6)


def test_the_weakest_units_go_and_shapes_really_shrink(build, context):
    network = build(MLP((32,)))
    weight = network.body.block0.linear.weight
    weight.data[::2] *= 0.01
    pruned = Prune(0.5).apply(network, context)
    assert pruned.spec.model == MLP((16,))
    assert torch.equal(pruned.body.block0.linear.weight, weight[1::2])


@pytest.mark.parametrize(
    ("width", "fraction", "expected"),
    [(64, 0.5, 32), (64, 0.3, 40), (16, 0.25, 8), (16, 0.9, 8), (8, 0.5, 8), (20, 0.1, 16)],
)
def test_widths_left_are_multiples_of_eight(width, fraction, expected):
    assert kept_width(width, fraction, 8) == expected


def test_the_score_is_the_norm_of_a_units_weights(build):
    network = build(MLP((8,)))
    scores = magnitude(network.spec.model.groups()[0], dict(network.body.state_dict()))
    assert torch.allclose(scores, network.body.block0.linear.weight.norm(dim=1))


def test_every_tensor_that_makes_a_unit_counts(build):
    family = Transformer((TransformerLayer(heads=3),), head_dim=8)
    network = build(family)
    attention = network.body.layer0.attend.path.attention
    whole = torch.cat([attention.q.weight, attention.k.weight, attention.v.weight], dim=1)
    scores = magnitude(family.groups()[0], dict(network.body.state_dict()))
    assert torch.allclose(scores, whole.reshape(3, -1).norm(dim=1))


def test_heads_are_cut_to_any_number_and_widths_to_multiples_of_eight(build, context):
    pruned = Prune(0.3).apply(build(Transformer((TransformerLayer(4, 64),))), context)
    assert pruned.spec.model == Transformer((TransformerLayer(2, 40),))


@pytest.mark.parametrize(
    ("step", "family", "reason"),
    [
        (Prune(1.5), MLP((16,)), "not between 0 and 1"),
        (Prune(0.5), MLP((8,)), "removed nothing"),
        (Prune(0.5), Linear(), "this Linear has no width"),
        (Prune(0.5), ConvNet(normalisation="group"), "this ConvNet has no width"),
    ],
)
def test_a_cut_that_cannot_be_is_rejected(step, family, reason, build, context):
    with pytest.raises(Rejected, match=reason):
        step.apply(build(family), context)


def test_pruning_after_quantizing_is_rejected(build, context):
    quantized = finish(Quantize().run(build(MLP((16,))), context))
    with pytest.raises(Rejected, match="prune before Quantize"):
        Prune(0.5).apply(quantized, context)
