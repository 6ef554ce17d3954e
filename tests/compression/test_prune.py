from dataclasses import replace
from math import log2

import pytest
import torch
from helpers.trials import finish
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.compression.calibration import recalibrate, seen_rows
from automl.compression.cut_units import cut
from automl.compression.kept_widths import SCOPES
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.compression.unit_scores import SCORES
from automl.errors import Rejected, UserError
from automl.models.convnet import ConvNet
from automl.models.deployed import predict
from automl.models.family import Network, Spec, count_parameters
from automl.models.linear import Linear
from automl.models.mlp import MLP
from automl.models.transformer import Transformer, TransformerLayer
from automl.training.distillation import Distill
from automl.training.loop import Train
from automl.training.schedules import Cosine


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


def noting(reports, training):
    """The same training, its reports put into a list."""
    while True:
        try:
            reports.append(next(training))
        except StopIteration as end:
            return end.value
        yield


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
        (Prune(0.5, keep=("blok0",)), MLP((16,)), "unknown layer 'blok0'; did you mean"),
        (Prune(0.5, keep=("block0.linear",)), MLP((16,)), "keep names every width"),
        (Prune(0.5, score="batch_norm"), Transformer(), r"scales the units of 'layer0\.attend"),
        (Prune(0.5, score="batch_norm"), MLP((16,), normalisation="none"), "e.g. magnitude"),
        (Prune(0.01, scope="global"), MLP((16,)), "removed nothing"),
    ],
)
def test_a_cut_that_cannot_be_is_rejected(step, family, reason, build, context):
    with pytest.raises(Rejected, match=reason):
        step.apply(build(family), context)


def test_pruning_after_quantizing_is_rejected(build, context):
    quantized = finish(Quantize().run(build(MLP((16,))), context))
    with pytest.raises(Rejected, match="is quantized already; put Prune before"):
        Prune(0.5).apply(quantized, context)


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (
            Prune(0.5, score="tailor"),
            "score of step 'prune' 'tailor'; did you mean 'taylor'",
        ),
        (
            Prune(0.5, scope="layers"),
            "scope of step 'prune' 'layers'; did you mean 'layer'",
        ),
        (Prune(1.0), "step 'prune': fraction 1.0 is not between 0 and 1"),
        (Prune(0.5, multiple=0), "multiple 0 of step 'prune' is below 1"),
        (Prune(0.5, rounds=0), "rounds 0 of step 'prune' is below 1"),
        (Prune(0.5, fine_tune_epochs=-1), "fine_tune_epochs -1 of step 'prune' is below 0"),
        (Prune(0.5, loss=Distill("teacher")), "step 'prune' distils from 'teacher', which is no"),
    ],
)
def test_a_step_that_cannot_be_is_told(step, sentence):
    with pytest.raises(UserError, match=sentence):
        step.check(())


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("scope", SCOPES)
def test_every_score_cuts_in_every_scope(score, scope, build, context):
    network = build(ConvNet((32, 32)))
    pruned = Prune(0.5, score=score, scope=scope).apply(network, context)
    widths = pruned.spec.model.channels
    assert sum(widths) == 32 or scope != "layer"
    assert 16 <= sum(widths) <= 32 and not any(width % 8 for width in widths)
    assert pruned.body.block1.conv.weight.shape[:2] == widths[::-1]


def test_units_go_where_the_answers_change_least_not_where_scores_are_low(build, context):
    """Small weights whose units all matter, and larger ones of which half are never read."""
    network = build(MLP((32, 32)))
    with torch.no_grad():
        network.body.block0.linear.weight[:16] *= 0.01
        network.body.block1.linear.weight[:16] *= 0.5
        network.body.head.weight[:, :16] = 0
    network = recalibrate(network, context)
    rows = seen_rows(network, context)
    widths, moved = {}, {}
    for scope in ("global", "sensitivity"):
        pruned = Prune(0.25, scope=scope).apply(network, context)
        widths[scope] = pruned.spec.model.widths
        moved[scope] = (predict(pruned, rows) - predict(network, rows)).norm()
    assert widths == {"global": (16, 32), "sensitivity": (32, 16)}
    assert moved["sensitivity"] < 1e-4 < moved["global"]
    layers = context.sensitivity["prune"].layers
    assert [option.value for option in layers["block1.linear"]] == [32, 24, 16, 8]
    assert layers["block1.linear"][2].loss < 1e-6 < layers["block0.linear"][2].loss


def test_losses_are_measured_once_for_all_rounds_of_what_may_be_cut(build, context):
    made = []
    once = replace(context, once=lambda name, make: made.append(name) or make())
    step = Prune(0.5, scope="sensitivity", rounds=3, keep=("block1.conv",))
    pruned = step.apply(build(ConvNet((32, 24, 32))), once)
    assert sum(pruned.spec.model.channels) <= 24 + 32
    assert pruned.spec.model.channels[1] == 24
    assert len(made) == 1
    assert set(context.sensitivity["prune"].layers) == {"block0.conv", "block2.conv"}


def test_what_is_to_keep_stays_as_wide(build, context):
    network = build(ConvNet((16, 24, 32)))
    pruned = Prune(0.5, keep=("block1.conv",)).apply(network, context)
    assert pruned.spec.model.channels == (8, 24, 16)


def test_the_share_that_is_done_rises_over_all_rounds(build, context):
    told = []

    def goes_on(done):
        told.append(done)
        return done < 0.8

    step = Prune(0.75, rounds=3, fine_tune_epochs=2)
    finish(step.run(build(MLP((64, 64))), replace(context, goes_on=goes_on)))
    assert told == sorted(told)
    assert told[0] == 0 and 0.8 <= told[-1] < 1
    assert max(after - before for before, after in zip(told, told[1:])) < 0.1


def test_rounds_end_at_the_same_widths_and_epochs_grow_with_the_cut(build, context):
    tuned = {"fine_tune_epochs": 2, "learning_rate": Cosine(0.01)}
    steps = [Prune(0.5, **tuned), Prune(0.75, rounds=2, **tuned, label="thin")]
    lengths = []
    for step in steps:
        context.checkpoints.clear()
        network, reports = build(MLP((64, 64))), []
        smaller = finish(noting(reports, step.run(network, context)))
        assert {report.step for report in reports} == {step.label}
        assert [report.epoch for report in reports] == list(range(1, len(reports) + 1))
        assert {report.epochs for report in reports} == {len(reports)}
        halvings = log2(count_parameters(network) / count_parameters(smaller))
        assert 2 * halvings <= len(reports) < 2 * halvings + 1
        lengths.append(len(reports))
        assert smaller.spec.model.widths == tuple([round(64 * (1 - step.fraction))] * 2)
    assert lengths[1] > lengths[0]
    assert reports[-1].metrics["accuracy"] > 0.5


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("epochs_before_the_kill", [1, 2, 3, 4])
def test_a_step_killed_in_any_round_goes_on_bit_identically(
    scope, epochs_before_the_kill, build, context
):
    step = Prune(0.75, 4, "taylor", scope, rounds=3, fine_tune_epochs=2)
    whole = finish(step.run(build(MLP((32, 32))), context))
    context.checkpoints.clear()
    killed = step.run(build(MLP((32, 32))), context)
    for _ in range(epochs_before_the_kill):
        next(killed)
    killed.close()
    resumed = step.run(build(MLP((32, 32))), context)
    assert next(resumed).epoch == epochs_before_the_kill + 1
    again = finish(resumed)
    assert again.spec == whole.spec
    state = whole.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in again.state_dict().items())


def test_a_round_learns_from_the_step_that_its_loss_names(build, context):
    step, asked = Prune(0.5, fine_tune_epochs=1, loss=Distill("train")), []
    assert (step.teacher, replace(step, loss=None).teacher) == ("train", "")
    step.check((Train(),))
    network = build(MLP((32,)))
    taught = replace(context, teacher=lambda label: asked.append(label) or build(MLP((32,))))
    finish(step.run(network, taught))
    assert asked == ["train"]
