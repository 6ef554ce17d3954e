import copy
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from helpers.stored_widths import bytes_over_bound
from helpers.trials import finish, load
from onnx import load_from_string

from automl.compression.calibration import seen_rows
from automl.compression.changeable import changeable
from automl.compression.coded_weight import along, computing, each_once
from automl.compression.quantization_grid import LIMITS, codes_of
from automl.compression.quantize import AWARE_EPOCHS, Quantize
from automl.compression.quantized_layers import Learned, coded
from automl.compression.rounded_network import learned
from automl.config import canonical
from automl.data.sklearn import Sklearn
from automl.errors import Rejected, UserError
from automl.export import onnx
from automl.export.claims import broken_claim, claims
from automl.models.convnet import ConvNet
from automl.models.deployed import Deployed, predict, seen_by
from automl.models.family import Network, dump, restore
from automl.models.mlp import MLP
from automl.models.resnet import ResNet, ResNetStage
from automl.models.transformer import Transformer, TransformerLayer
from automl.models.weights import by_label
from automl.runtimes import onnx as runtime
from automl.training.distillation import Distill
from automl.training.loop import Train
from automl.training.losses import CrossEntropy
from automl.training.schedules import Cosine

SMALL = ResNet((ResNetStage(8), ResNetStage(16)))
SHORT = Train(learning_rate=Cosine(1e-3), epochs=1)
UNTAUGHT = Train(epochs=0)


@pytest.fixture
def trained(build, context):
    """A family's network after a short training on digits."""

    def trained(family):
        network = finish(Train(learning_rate=Cosine(0.01), epochs=6).run(build(family), context))
        context.checkpoints.clear()
        return network

    return trained


def layers(network):
    """The codes and the coded weight of each layer."""
    return list(each_once(network).values())


def answers(network, context):
    rows = torch.from_numpy(context.data.validation.inputs)
    return predict(Deployed(network, context.data.info), rows).numpy()


@pytest.mark.parametrize("family", [MLP((32,)), ConvNet((16, 16)), SMALL], ids=str)
@pytest.mark.parametrize(
    "step",
    [
        Quantize(),
        Quantize(bits=4, activation_bits=4),
        Quantize(bits=2, training=SHORT),
        Quantize(bits=1, ends_bits=1, activation_bits=2, training=SHORT),
        Quantize(average_bits=3.0, training=SHORT),
        Quantize(bits=2, codebook=True, training=SHORT),
        Quantize(bits=3, ends_bits=6, codebook=True, training=UNTAUGHT),
        Quantize(bits=5, ends_bits=5),
        Quantize(bits=1.58, ends_bits=1.58, training=SHORT),
    ],
    ids=["w8a8", "w4a4", "w2a8", "w1a2", "average", "codebook", "w3w6", "w5", "ternary"],
)
def test_the_file_computes_what_was_calibrated_in_the_bits_it_claims(
    family, step, trained, context
):
    quantized = finish(step.run(trained(family), context))
    file = onnx.export(quantized, context.data)
    shipped = runtime.run(runtime.session(file), context.data.validation.inputs)
    own = answers(quantized, context)
    assert np.abs(own - shipped).max() < 0.05 * np.abs(own).max()
    assert broken_claim(file, runtime.optimised(file), claims(quantized)) == ""
    held = list(onnx.weights(file).values())
    for codes, _ in layers(quantized):
        assert any(np.array_equal(weight, codes.numpy()) for weight in held)


def test_few_bits_learn_what_rounding_alone_loses(trained, context):
    network = trained(ConvNet((16, 16)))
    targets = context.data.validation.targets
    scores = []
    for epochs in (0, 4):
        training = replace(SHORT, epochs=epochs)
        step = Quantize(bits=1, training=training, rounding="nearest")
        quantized = finish(step.run(network, context))
        context.checkpoints.clear()
        scores.append((answers(quantized, context).argmax(1) == targets).mean())
    assert scores[0] < 0.8 < 0.9 < scores[1]


def test_the_first_and_the_last_layer_keep_their_own_width(trained, context):
    quantized = finish(Quantize(bits=4, ends_bits=8).run(trained(ConvNet((16, 16))), context))
    assert [weight.bits for _, weight in layers(quantized)] == [8, 4, 8]
    quantized = finish(Quantize(bits=4, ends_bits=4).run(trained(ConvNet((16, 16))), context))
    assert [weight.bits for _, weight in layers(quantized)] == [4, 4, 4]


@pytest.mark.parametrize("bits", [5, 4, 3, 2])
def test_a_codebook_shares_few_codes_and_fits_better_than_even_steps(bits, trained, context):
    network, errors = trained(ConvNet((16, 16))), []
    found = changeable(network, context, "Quantize", (), lambda weight: "").weights["block1.conv"]
    values = found.values.detach().clone()
    for has_codebook in (False, True):
        codes = coded(found, bits, has_codebook)
        start, refused = learned(network, {"block1.conv": Learned({"weight": codes})}, context)
        assert not refused
        scale = computing(start.body.get_submodule("block1.conv")).scale(values)
        rounded = codes_of(values / along(scale, values), bits, codes.levels)
        assert len(rounded.unique()) <= 2**bits
        errors.append(((rounded * along(scale, values) - values) ** 2).mean().item())
    assert errors[1] < errors[0]


@pytest.mark.parametrize("bits", [8, 2])
def test_all_that_can_learn_gets_a_gradient(bits, build, context):
    """Ranks that share gradients wait for each."""
    network = build(SMALL)
    found = changeable(network, context, "Quantize", (), lambda weight: "").weights.values()
    edits = {one.layer: Learned({"weight": coded(one, bits, False)}, 8) for one in found}
    start, _ = learned(network, edits, context)
    start.train()(seen_rows(network, context, 8)).sum().backward()
    assert all(p.grad is not None for p in start.parameters() if p.requires_grad)
    assert any("log_scale" in name for name, p in start.named_parameters() if p.requires_grad)


def test_each_layer_may_have_its_own_width(trained, context):
    network, untaught = trained(ConvNet((16, 16))), UNTAUGHT
    step = Quantize(layer_bits=(8, 1.58, 3), training=untaught)
    assert [weight.bits for _, weight in layers(finish(step.run(network, context)))] == [8, 1.58, 3]
    with pytest.raises(Rejected, match=r"2 widths for the 3 layers block0\.conv, "):
        finish(Quantize(layer_bits=(8, 8), training=untaught).run(network, context))


def test_an_average_is_kept_and_the_sensitivity_measured_once(trained, context):
    network, made = trained(SMALL), []

    def once(name, make):
        made.append(name)
        return make()

    step = Quantize(average_bits=2.5, training=replace(SHORT, epochs=0))
    quantized = finish(step.run(network, replace(context, once=once)))
    weights = sum(codes.numel() for codes, _ in layers(quantized))
    bits = sum(codes.numel() * weight.bits for codes, weight in layers(quantized))
    assert weights < bits <= 2.5 * weights
    assert len({weight.bits for _, weight in layers(quantized)}) > 1
    assert len(made) == 1 and made[0].startswith("sensitivity_bits_")


def test_steps_that_keep_other_layers_share_no_sensitivity(trained, context):
    network, made = trained(SMALL), {}

    def once(name, make):
        if name not in made:
            made[name] = make()
        return made[name]

    short = replace(SHORT, epochs=0)
    first = next(iter(by_label(network.body).values())).layer
    for keep in ((), (first,), ()):
        step = Quantize(average_bits=2.5, training=short, keep=keep)
        finish(step.run(copy.deepcopy(network), replace(context, once=once)))
    assert len(made) == 2


def test_layers_that_a_step_kept_may_be_quantized_by_the_next(trained, context):
    network = trained(SMALL)
    first = next(iter(by_label(network.body).values())).layer
    for step in (Quantize(keep=(first,)), Quantize(bits=4, ends_bits=4)):
        network = finish(step.run(network, context))
    assert {weight.bits for _, weight in layers(network)} == {4, 8}


def test_quantization_aware_training_goes_on_where_it_was_killed(trained, context):
    network = trained(ConvNet((8, 8)))
    step = Quantize(bits=2, training=replace(SHORT, epochs=3))
    whole = finish(step.run(network, context)).state_dict()
    context.checkpoints.clear()
    killed = step.run(network, context)
    assert next(killed).step == next(killed).step == "quantize"
    killed.close()
    resumed = finish(step.run(network, context)).state_dict()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_the_usual_training_is_part_of_what_a_step_stands_for(monkeypatch):
    """So is its result not taken for that of another version's training."""
    steps = Quantize(), Quantize(bits=2, training=SHORT), Quantize(bits=3), Quantize(bits=2)
    before = [step.fingerprint() for step in steps]
    assert before[:2] == [canonical(step) for step in steps[:2]]
    monkeypatch.setattr("automl.compression.quantize.AWARE_EPOCHS", AWARE_EPOCHS + 1)
    after = [step.fingerprint() for step in steps]
    assert [one != other for one, other in zip(before, after)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("step", "most"),
    [
        (Quantize(bits=2), 1e-3),
        (Quantize(average_bits=3.0), 1e-3),
        (Quantize(bits=1.58), 1e-2),
        (Quantize(bits=1), 1e-2),
    ],
    ids=["2", "average", "ternary", "1"],
)
def test_below_2_bits_weights_learn_at_a_greater_rate(step, most):
    rate = step.aware_training().learning_rate
    assert max(rate.at(done / 100) for done in range(100)) == pytest.approx(most)


def test_a_network_teaches_the_one_with_fewer_bits(trained, context):
    """A loss asks for training at any width, whose teacher is the named step's network."""
    network, asked = trained(MLP((16,))), []

    def teacher(label):
        asked.append(label)
        return network

    step = Quantize(bits=4, loss=Distill("train", weight=0.9))
    assert step.teacher == "train"
    reports = list(step.run(network, replace(context, teacher=teacher)))
    assert asked == ["train"] and len(reports) == AWARE_EPOCHS
    assert step.without_each_technique() == {
        "training": Quantize(bits=4, training=Train(epochs=0)),
        "teaching": Quantize(bits=4, training=replace(step.aware_training(), loss=None)),
    }
    with pytest.raises(UserError, match="step 'quantize' distils from 'train', which is no step"):
        step.check(())
    with pytest.raises(UserError, match="for a regression use MeanSquaredError"):
        Quantize(loss=CrossEntropy()).check_data(load(Sklearn("diabetes")).info)
    with pytest.raises(UserError, match="has a loss, but no epochs of training to use it"):
        Quantize(loss=Distill("train"), training=Train(epochs=0)).check((Train(),))


def test_what_a_block_and_its_shortcut_read_is_rounded_once(trained, context):
    step = Quantize(bits=2, training=replace(SHORT, epochs=2))
    quantized = finish(step.run(trained(SMALL), context))
    block = quantized.body.stage1.block0
    first, shortcut = block.path.first.conv, block.shortcut.conv
    assert torch.equal(first.input_rounding.scale, shortcut.input_rounding.scale)
    file = runtime.optimised(onnx.export(quantized, context.data))
    fused = [node.op_type for node in load_from_string(file).graph.node]
    assert "QLinearAdd" in fused


@pytest.mark.parametrize("bits", LIMITS)
def test_codes_turn_with_a_batch_norm_and_take_the_bytes_that_bits_say(bits, trained, context):
    """A batch norm of negative weight turns codes, not scales."""
    network = trained(ConvNet((8, 8)))
    norm = network.body.block0.norm
    with torch.no_grad():
        norm.weight[::2] *= -1
    step = Quantize(bits=bits, ends_bits=bits, training=replace(SHORT, epochs=0))
    quantized = finish(step.run(network, context))
    assert all((weight.scale > 0).all() for _, weight in layers(quantized))
    assert not [m for m in quantized.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    file, parent = (onnx.export(one, context.data) for one in (quantized, network))
    assert (
        bytes_over_bound(file, parent, quantized) <= 1 < bytes_over_bound(parent, parent, quantized)
    )
    own = answers(quantized, context)
    shipped = runtime.run(runtime.session(file), context.data.validation.inputs)
    assert (own.argmax(1) == shipped.argmax(1)).mean() > 0.97


@pytest.mark.parametrize("bits", [8, 1])
def test_an_output_without_weights_keeps_its_bias(bits, build, context):
    """As clipping leaves some: the bias is far beyond what 32 bits hold at their own scale."""
    network = build(ConvNet((8, 8)))
    for block in (network.body.block0, network.body.block1):
        block.conv.weight.data[:4] *= torch.tensor([0.0, 0.0, 1e-9, 1e-12])[:, None, None, None]
        block.norm.bias.data[:4] = torch.tensor([1.0, 2.0, 1.0, 2.0])
    step = Quantize(bits, ends_bits=bits, training=Train(epochs=0))
    quantized = finish(step.run(network, context))
    file = onnx.export(quantized, context.data)
    shipped = runtime.run(runtime.session(file), context.data.validation.inputs)
    own = answers(quantized, context)
    assert np.abs(own - shipped).max() < 0.02 * np.abs(own).max()
    if bits == 8:
        assert np.abs(own - answers(network, context)).max() < 0.05 * np.abs(own).max()


def test_linear_layers_tell_their_zero_points_and_run_as_integer_ones(build, context):
    """Without zero points onnxruntime 1.20.1 does not load a Transformer, nor run an MLP."""
    quantized = finish(Quantize().run(build(Transformer((TransformerLayer(2, 16),))), context))
    file = onnx.export(quantized, context.data)
    graph = load_from_string(file).graph
    held = onnx.weights(file)
    reading = [node.input for node in graph.node if node.op_type == "DequantizeLinear"]
    linear = [names for names in reading if names[0] in held and held[names[0]].ndim == 2]
    assert len(linear) == 7
    for codes, scale, zero_points in linear:
        assert held[zero_points].dtype == held[codes].dtype == np.int8
        assert held[zero_points].shape == held[scale].shape
        assert not held[zero_points].any()
    optimised = load_from_string(runtime.optimised(file)).graph.node
    assert sum(node.op_type == "MatMulIntegerToFloat" for node in optimised) == 6


def test_a_quantized_model_is_stored_and_restored(build, context):
    quantized = finish(Quantize(bits=2, training=SHORT).run(build(SMALL), context))
    files = dump(quantized)
    again = restore(files["weights.safetensors"], files["spec.json"]).eval()
    rows = torch.randn(8, 1, 8, 8)
    assert torch.equal(again(rows), quantized(rows))


def test_what_is_not_quantized_keeps_its_weights(build, context):
    network = build(MLP((16,)))
    norm = torch.nn.LayerNorm(16)
    torch.nn.init.normal_(norm.weight)
    network.body.block0.add_module("extra", norm)

    @dataclass(frozen=True)
    class WithNorm(MLP):
        def build(self, input_shape, num_outputs):
            body = super().build(input_shape, num_outputs)
            body.block0.add_module("extra", torch.nn.LayerNorm(16))
            return body

    odd = Network(replace(network.spec, model=WithNorm((16,))))
    odd.load_state_dict(network.state_dict())
    quantized = finish(Quantize().run(odd, context))
    assert torch.equal(quantized.body.block0.extra.weight, norm.weight)


def test_layers_that_compute_with_floats_are_stored_in_few_bits_all_the_same(build, context):
    """Attention reads its layers' weights; what is padded by other than zeros is no integers."""

    @dataclass(frozen=True)
    class Odd(ConvNet):
        def build(self, input_shape, num_outputs):
            around = torch.nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular")
            attend = torch.nn.TransformerEncoderLayer(64, 2, 32, batch_first=True)
            head = torch.nn.Linear(64 * 4, num_outputs)
            flat = torch.nn.Flatten
            return torch.nn.Sequential(around, flat(2), attend, flat(), head)

    quantized = finish(Quantize().run(build(Odd()), context))
    edits = quantized.spec.layer_edits
    reading = {name for name, edit in edits.items() if edit.activation_bits}
    assert {*edits} - reading == {"0", "2.self_attn", "2.self_attn.out_proj"}
    assert [o.tensor for o in context.outcomes["quantize"] if not o.change] == []
    shipped = runtime.session(onnx.export(quantized, context.data))
    rows = context.data.validation.inputs
    assert np.abs(runtime.run(shipped, rows) - answers(quantized, context)).max() < 0.05


def test_calibration_sees_rows_of_all_the_training_split(build, context):
    """Also where rows are sorted, as those of a folder per class are."""
    train = context.data.train
    order = np.argsort(train.inputs.sum(1))
    ordered = replace(train, inputs=np.ascontiguousarray(train.inputs[order]))
    sorted_data = replace(context.data, train=ordered)
    rows = seen_rows(build(MLP((16,))), replace(context, data=sorted_data))
    every = seen_by(build(MLP((16,))), ordered.inputs, context.data.info)
    assert abs(rows.mean() - every.mean()) < 0.02
    assert rows.amax() == every.amax()


def test_nothing_left_to_quantize_is_rejected(build, context):
    quantized = finish(Quantize().run(build(MLP((16,))), context))
    with pytest.raises(Rejected, match="no layer left"):
        finish(Quantize().run(quantized, context))


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (Quantize(bits=1.6), r"bits=1\.6; choose one of 8, 6, 5, 4, 3, 2, 1\.58 and 1"),
        (Quantize(activation_bits=16), "activation_bits=16; choose one of"),
        (Quantize(average_bits=9.0), r"average_bits=9\.0 is not 1 to 8"),
        (Quantize(layer_bits=(8, 7)), "layer_bits=7; choose one of"),
        (Quantize(layer_bits=(8, 4), average_bits=4.0), "leave out one of them"),
    ],
)
def test_widths_that_are_none_are_told(step, sentence):
    with pytest.raises(UserError, match=sentence):
        step.check(())
