"""Clip: which weights go, that training leaves them at 0, and that the file is smaller."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.families import DATASETS, SERIES, TEXT, built
from helpers.trials import DIGITS, drive, finish, load
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from automl.compression.clip import Clip, largest, largest_of_each, spread
from automl.compression.coded_weight import each_once
from automl.compression.factorize import Factorize
from automl.compression.prune import Prune
from automl.compression.quantization_grid import LIMITS, TERNARY
from automl.compression.quantize import Quantize
from automl.errors import Rejected, UserError
from automl.export import onnx
from automl.export.claims import broken_claim, claims
from automl.models.convnet import ConvNet
from automl.models.convnet1d import ConvNet1d
from automl.models.deployed import Deployed, predict
from automl.models.family import dump, restore
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.models.resnet import ResNet, ResNetStage
from automl.models.transformer import Transformer, TransformerLayer
from automl.runtimes import onnx as runtime
from automl.space.space import TrialConfig
from automl.store import Store
from automl.training.loop import Train
from automl.training.optimizers import AdamW, Muon, Nesterov
from automl.training.schedules import Cosine, Fixed
from automl.trial.checkpoints import Checkpoints

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)


def layers(network):
    """The layers that hold a weight; one that computes by its factors holds none."""
    found = (m for m in network.modules() if isinstance(m, LAYERS))
    return [m for m in found if m.weight.is_leaf and "0" not in dict(m.named_children())]


def zeros(network):
    return [layer.weight == 0 for layer in layers(network)]


def same(masks, others):
    return all(torch.equal(a, b) for a, b in zip(masks, others, strict=True))


@settings(deadline=None)
@given(st.lists(st.integers(1, 7), min_size=2, max_size=4), st.floats(0, 1), st.integers(0, 99))
def test_the_largest_stay(shape, share, seed):
    torch.manual_seed(seed)
    weight = torch.randn(shape)
    count = round(share * weight.numel())
    kept = largest(weight, count)
    assert kept.sum() == count
    if 0 < count < weight.numel():
        assert weight[kept].abs().min() >= weight[~kept].abs().max()


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 30), min_size=2, max_size=4), min_size=1, max_size=6),
    st.floats(0.01, 0.99),
)
def test_layers_lose_their_fraction_together_and_small_ones_less(shapes, fraction):
    named = {str(i): tuple(shape) for i, shape in enumerate(shapes)}
    sizes = {name: math.prod(shape) for name, shape in named.items()}
    counts, fewer = spread(named, fraction), spread(named, (1 + fraction) / 2)
    assert abs(sum(counts.values()) - (1 - fraction) * sum(sizes.values())) <= len(named)
    assert all(1 <= fewer[name] <= counts[name] <= sizes[name] for name in named)
    for one in named:
        for other in named:
            if sum(named[one]) / sizes[one] >= sum(named[other]) / sizes[other]:
                assert counts[one] + 1 >= counts[other] * sizes[one] / sizes[other]


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=4),
    st.sampled_from([(1, 2), (2, 4), (1, 4), (4, 8)]),
    st.integers(0, 99),
)
def test_of_each_consecutive_inputs_the_largest_stay(shape, pattern, seed):
    torch.manual_seed(seed)
    (count, of), weight = pattern, torch.randn(shape)
    kept = largest_of_each(weight, count, of)
    assert kept.shape == weight.shape
    for start in range(0, shape[1], of):
        group, sizes = kept[:, start : start + of], weight[:, start : start + of].abs()
        stay = min(count, group.shape[1])
        assert (group.sum(1) == stay).all()
        least = torch.where(group, sizes, torch.inf).amin(1)
        most = torch.where(group, 0.0, sizes).amax(1)
        assert (least >= most).all()


@pytest.mark.parametrize("optimizer", [AdamW(weight_decay=0.1), Nesterov(), Muon()])
@pytest.mark.parametrize("step", [Clip(0.7), Clip(threshold=0.05), Clip(pattern="2:4")])
def test_what_is_clipped_stays_so_in_training(step, optimizer, build, context):
    clipped = step.apply(build(MLP((32, 16))), context)
    before, weights = zeros(clipped), [layer.weight.clone() for layer in layers(clipped)]
    assert all(0.2 < mask.float().mean() < 0.8 for mask in before)
    tuned = finish(Train(optimizer, epochs=2).run(clipped, context))
    assert same(zeros(tuned), before)
    for layer, weight in zip(layers(tuned), weights):
        assert ((layer.weight != weight) == (weight != 0)).float().mean() > 0.95


def test_what_begins_at_zero_learns_though_other_weights_were_clipped(build, context):
    network = build(MLP((64,)))
    nn.init.zeros_(network.body.head.weight)
    clipped = Clip(0.5).apply(network, context)
    assert context.outcomes["clip"][1].reason == "is 0 throughout, and has yet to learn"
    trained = finish(Train(epochs=1).run(clipped, context))
    assert [round(mask.float().mean().item(), 1) for mask in zeros(trained)] == [0.5, 0]


def test_a_pattern_holds_for_convolutions_after_training_and_8_bits(build, context):
    clipped = Clip(pattern="2:4").apply(build(ResNet((ResNetStage(16),))), context)
    tuned = finish(Train(epochs=2).run(clipped, context))
    quantized = finish(Quantize().run(tuned, context))
    codes = [codes for codes, _ in each_once(quantized).values()]
    assert len(codes) == 4
    for weight in (*(layer.weight for layer in layers(tuned)), *codes):
        if weight.shape[1] % 4 == 0:
            groups = (weight != 0).movedim(1, -1).unflatten(-1, (-1, 4)).sum(-1)
            assert groups.max() == 2


@pytest.mark.parametrize("rounding", ["nearest", "gptq"])
@pytest.mark.parametrize("bits", LIMITS)
def test_zeros_of_a_pattern_stay_at_every_width(bits, rounding, build, context):
    """Also in a training that sees the rounding, whose scales and other weights change."""
    loud = Train(epochs=1, learning_rate=Fixed(0.01), row_share=0.2)
    step = Quantize(bits, ends_bits=bits, rounding=rounding, training=loud)
    codes = clipped_and_quantized(step, build, context)
    assert {weight.bits for _, weight in codes} == {max(bits, TERNARY)}
    noted = [note for note in context.notes if note.startswith("1.58 bits, as 1 has no code")]
    assert len(noted) == (bits == 1)


@pytest.mark.parametrize("step", [Quantize(3, codebook=True), Quantize(2, rounding="gptaq")])
def test_zeros_of_a_pattern_stay_in_codebooks_and_where_layers_are_rounded_in_turn(
    step, build, context
):
    clipped_and_quantized(replace(step, training=Train(epochs=0)), build, context)


def clipped_and_quantized(step, build, context):
    """A network of which all but the first layer keeps a pattern: the codes of these."""
    network = Clip(pattern="2:4", keep=("block0",)).apply(build(ConvNet((16, 16))), context)
    _, *zero = zeros(network)
    _, *found = each_once(finish(step.run(network, context))).values()
    for (codes, weight), mask in zip(found, zero, strict=True):
        assert mask.float().mean() == 0.5
        assert (codes[mask] == 0).all()
        assert len(codes.unique()) <= round(2**weight.bits)
    return found


def test_widths_by_sensitivity_have_a_code_for_zeros(build, context):
    network = Clip(0.5).apply(build(ConvNet((16, 16))), context)
    zero = zeros(network)
    quantized = finish(Quantize(average_bits=1.6, training=Train(epochs=0)).run(network, context))
    found = [*each_once(quantized).values()]
    assert min(weight.bits for _, weight in found) == TERNARY
    for (codes, _), mask in zip(found, zero, strict=True):
        assert (codes[mask] == 0).all()


@pytest.mark.parametrize("bits", [3, 2])
def test_a_network_with_zeros_answers_in_few_bits_and_so_does_its_file(bits, build, context):
    """Were each of them the code next to 0, a sum of many would be far from what it was."""
    trained = finish(Train(epochs=6).run(build(ConvNet((16, 32))), context))
    clipped = Clip(0.75).apply(trained, context)
    step = Quantize(bits, rounding="nearest", training=Train(epochs=0))
    quantized = finish(step.run(clipped, context))
    rows, info = context.data.validation.inputs, context.data.info
    whole, answers = (
        predict(Deployed(network, info), torch.from_numpy(rows)) for network in (clipped, quantized)
    )
    assert (answers - whole).square().mean() < 0.5 * whole.var(0).mean()
    file = onnx.export(quantized, context.data)
    assert broken_claim(file, runtime.optimised(file), claims(quantized)) == ""
    given = runtime.run(runtime.session(file), rows)
    assert (given.argmax(1) == answers.argmax(1).numpy()).mean() > 0.98


class Up(nn.Module):
    """A transposed convolution, whose weight has its inputs first, in groups of them."""

    def __init__(self, groups):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 8, 3), nn.Linear(12, 10)
        self.up = nn.ConvTranspose2d(8, 12, 2, 2, groups=groups)

    def forward(self, rows):
        return self.head(self.up(self.conv(rows)).relu().mean((2, 3)))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_pattern_is_of_the_inputs_of_a_transposed_convolution(groups, build, context):
    clipped = Clip(pattern="2:4").apply(build(Imported(Up, options={"groups": groups})), context)
    inputs_of_groups = (clipped.body.up.weight != 0).unflatten(0, (groups, -1))
    for start in range(0, 8 // groups, 4):
        assert (inputs_of_groups[:, start : start + 4].sum(1) == 2).all()


def test_a_training_that_was_lost_goes_on_with_the_same_zeros(build, context, tmp_path):
    clipped = Clip(0.5).apply(build(MLP((32,))), context)
    files, step = dump(clipped), Train(epochs=4, learning_rate=Fixed(0.01))
    whole = finish(step.run(clipped, context))
    again = replace(context, checkpoints=Checkpoints(Store(str(tmp_path)), "again"))
    for _ in range(3):
        run = step.run(restore(files["weights.safetensors"], files["spec.json"]), again)
        next(run, None)
    found = finish(step.run(restore(files["weights.safetensors"], files["spec.json"]), again))
    assert same(zeros(found), zeros(whole))
    assert dump(found) == dump(whole)


def test_zeros_outlive_other_cuts_and_a_second_clip_takes_more(build, context):
    once = Clip(0.5).apply(build(MLP((64,))), context)
    twice = Clip(0.75).apply(once, context)
    assert all((a <= b).all() for a, b in zip(zeros(once), zeros(twice)))
    told = context.outcomes["clip"][0].change
    Clip(0.5).apply(twice, context)
    assert context.outcomes["clip"][0].change == told
    pruned = Prune(0.5).apply(twice, context)
    before = zeros(pruned)
    assert 0.5 < before[0].float().mean() < 0.95
    assert same(zeros(finish(Train(epochs=1).run(pruned, context))), before)


def test_layers_that_are_kept_stay_whole(build, context):
    network = build(ConvNet((16, 16)))
    weight = network.body.head.weight.clone()
    clipped = Clip(0.5, keep=("block0", "head")).apply(network, context)
    assert torch.equal(clipped.body.head.weight, weight)
    assert [round(mask.float().mean().item(), 2) for mask in zeros(clipped)] == [0, 0.5, 0]


def test_a_convnet_of_which_most_is_clipped_still_learns(build, context):
    """Its stem of 144 weights keeps more than 1 of 10."""
    trained = finish(Train(epochs=10).run(build(ConvNet((16, 32))), context))
    clipped = Clip(0.9).apply(trained, context)
    assert (layers(clipped)[0].weight != 0).float().mean() > 0.5
    clean = replace(context, checkpoints=Checkpoints(context.checkpoints.store, "fine_tune"))
    for report in Train(label="fine_tune", epochs=5).run(clipped, clean):
        accuracy = report.metrics["accuracy"]
    assert accuracy > 0.65


def test_a_clipped_file_is_smaller_by_what_its_zeros_took_up(store):
    family = ConvNet((16, 32))
    train, tune = Train(epochs=3), Train(label="fine_tune", epochs=2)
    sizes = []
    for recipe in ((train,), (train, Clip(0.8), tune), (train, Clip(0.8), tune, Quantize())):
        _, result = drive(TrialConfig(DIGITS, family, recipe), store)
        assert (result.status, result.reason) == ("complete", "")
        sizes.append(result.measurement.size_bytes)
    numbers = sum(layer.weight.numel() for layer in layers(built(family, (1, 8, 8))))
    packed_bytes = numbers * (0.2 * 4 + 1 / 8)
    assert sizes[0] - 4 * numbers > sizes[1] - packed_bytes - 1000
    assert sizes[2] < 0.9 * sizes[1]


def test_zeros_that_save_nothing_are_a_trial_that_says_so(store):
    recipe = (Train(epochs=1), Clip(0.01))
    _, result = drive(TrialConfig(DIGITS, MLP((64,)), recipe), store)
    assert result.status == "rejected"
    assert result.reason.startswith("did not shrink")


@pytest.mark.parametrize(
    ("family", "shape"),
    [(ConvNet1d((32,)), TEXT), (Transformer((TransformerLayer(2, 32),)), SERIES)],
)
def test_series_and_texts_are_clipped_factorised_and_quantized(family, shape, context):
    data = load(DATASETS[shape])
    context = replace(context, data=data)
    network = built(family, shape, len(data.info.classes))
    factorised = Factorize(share=0.25).apply(network, context)
    clipped = Clip(0.5).apply(factorised, context)
    before = zeros(clipped)
    tuned = finish(Train(learning_rate=Cosine(0.003), epochs=1).run(clipped, context))
    assert same(zeros(tuned), before)
    embeddings = [m for m in tuned.modules() if isinstance(m, torch.nn.Embedding)]
    dense = sum(layer.weight.numel() for layer in layers(tuned))
    whole = dense + sum(layer.weight.numel() for layer in embeddings)
    file = onnx.export(finish(Quantize().run(tuned, context)), data)
    codes = [w for w in onnx.weights(file).values() if w.dtype == np.int8 and w.ndim > 1]
    assert sum(code.size for code in codes) == whole
    assert sum((code == 0).sum() for code in codes) >= dense // 2


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Clip(pattern="4:2"), "pattern '4:2' is not N:M with N below M, such as '2:4'"),
        (Clip(pattern="2/4"), "pattern '2/4' is not N:M"),
        (Clip(pattern="2:4", threshold=0.1), "both given; give one"),
        (
            Clip(threshold=9.0),
            "block0.linear, head: would be left without a number; choose a lower",
        ),
        (Clip(0.0001), "changed nothing: block0.linear, head: holds nothing that is small enough"),
        (Clip(keep=("block0", "head")), "could change nothing: block0.linear, head: is kept"),
        (Clip(keep=("head.x",)), "unknown layer 'head.x'; did you mean 'head'"),
    ],
)
def test_what_cannot_be_is_rejected_in_one_sentence(step, reason, build, context):
    with pytest.raises(Rejected, match=reason):
        step.apply(build(MLP((8,))), context)


def test_what_no_model_makes_right_is_caught_by_the_check():
    with pytest.raises(UserError, match="not N:M"):
        Clip(pattern="2:2").check(())
    Clip(threshold=9.0).check(())
