from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from helpers.trials import DIGITS, drive, finish, load
from torch import nn

from automl import quality
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.compression.remove_layers import RemoveLayers, blocks, without
from automl.data.sklearn import Sklearn
from automl.errors import Rejected, UserError
from automl.export import onnx
from automl.measure import gate
from automl.models.convnet import ConvNet
from automl.models.convnet1d import ConvNet1d
from automl.models.deployed import Deployed, predict
from automl.models.family import count_parameters, dump, restore, untrained
from automl.models.imported import Imported
from automl.models.linear import Linear
from automl.models.mlp import MLP
from automl.models.mobilenet import MobileNet, MobileNetStage
from automl.models.residual_blocks import Bypass
from automl.models.resnet import ResNet, ResNetStage
from automl.models.transformer import Transformer, TransformerLayer
from automl.runtimes import onnx as runtime
from automl.training.loop import Train
from automl.training.schedules import Cosine

ROWS = torch.zeros(2, 1, 8, 8)
CHAIN = (
    Train(learning_rate=Cosine(0.01), epochs=4),
    RemoveLayers(),
    Prune(0.5, score="taylor", scope="global"),
    Train(label="fine_tune", learning_rate=Cosine(0.01), epochs=4),
    Quantize(),
)


@pytest.mark.parametrize("index", [1, 2, 3])
def test_the_block_that_is_missed_least_goes(index, build, context):
    """Of a trained network into which a block that does nothing is put, that one."""
    network = build(MLP((32, 32, 32), normalisation="none"))
    network = finish(Train(learning_rate=Cosine(0.01), epochs=4).run(network, context))
    deeper = build(MLP((32, 32, 32, 32), normalisation="none"))
    blocks = [network.body.get_submodule(f"block{i}") for i in range(3)]
    idle = nn.Sequential(OrderedDict(linear=nn.Linear(32, 32)))
    idle.linear.weight.data[:], idle.linear.bias.data[:] = torch.eye(32), 0.0
    for i, block in enumerate([*blocks[:index], idle, *blocks[index:]]):
        deeper.body.get_submodule(f"block{i}").load_state_dict(block.state_dict())
    deeper.body.head.load_state_dict(network.body.head.state_dict())
    smaller = RemoveLayers().apply(deeper, context)
    assert smaller.spec == network.spec
    state = network.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in smaller.state_dict().items())


def test_two_that_go_are_one_and_then_measured_anew_another(build, context):
    network = build(Transformer((TransformerLayer(),) * 3))
    removed = RemoveLayers(count=2).apply(network, context)
    singly = network
    for _ in range(2):
        singly = RemoveLayers().apply(singly, context)
    assert removed.spec == singly.spec
    rows = torch.randn(4, 1, 8, 8)
    assert torch.equal(removed(rows), singly(rows))


@pytest.mark.parametrize(
    ("step", "depth"),
    [
        (RemoveLayers(3), 2),
        (RemoveLayers(fraction=0.5), 3),
        (RemoveLayers(fraction=0.01), 4),
        (RemoveLayers(fraction=1.0), 1),
    ],
)
def test_as_many_go_as_the_step_says(step, depth, build, context):
    network = build(MLP((16, 16, 16, 16, 16)))
    assert len(blocks(network, ROWS)) == 4
    smaller = step.apply(network, context)
    assert smaller.spec.model == MLP((16,) * depth)
    assert count_parameters(smaller) < count_parameters(network)


@pytest.mark.parametrize(
    ("family", "sentence"),
    [
        (Linear(), "this Linear has no block that can go"),
        (MLP((16, 24)), "this MLP has no block that can go"),
        (ConvNet((8,)), "this ConvNet has no block that can go"),
        (ResNet((ResNetStage(8, 1),)), "this ResNet has no block that can go"),
        (Transformer((TransformerLayer(),)), "this Transformer has no block that can go"),
        (Transformer((TransformerLayer(),) * 3), "only 2 blocks of this Transformer can go, not 9"),
    ],
)
def test_what_cannot_go_is_rejected_by_name(family, sentence, build, context):
    with pytest.raises(Rejected, match=sentence):
        RemoveLayers(9).apply(build(family), context)


def test_after_quantizing_no_layer_goes(build, context):
    quantized = finish(Quantize().run(build(MLP((16, 16))), context))
    with pytest.raises(Rejected, match="is quantized already; put RemoveLayers before"):
        RemoveLayers().apply(quantized, context)


def test_pooling_stays_where_its_block_goes(build):
    network = build(ConvNet((8, 8, 8)))
    (first, last) = blocks(network, ROWS)
    assert first.without == ConvNet((8, 8), pools=(2, 0))
    assert last.without == ConvNet((8, 8), pools=(1, 1))
    (again,) = blocks(without(network, first), ROWS)
    assert again.without == ConvNet((8,), pools=(2,))


def test_the_first_block_goes_when_it_reads_its_own_width():
    assert [b.index for b in ConvNet((8, 8)).blocks((8, 2, 2))] == [0, 1]
    assert [b.index for b in ConvNet((8, 8)).blocks((8, 4, 4))] == [1]
    assert [b.index for b in ConvNet1d((16, 16), pools=(0, 1)).blocks((8,))] == [0, 1]
    assert [b.without for b in MLP((16,)).blocks((4, 4))] == [MLP(())]


@pytest.mark.parametrize("pools", [(1,), (1, -1)])
def test_pools_are_one_number_per_block(pools, build):
    with pytest.raises(UserError, match="how often each of 2 blocks halves"):
        build(ConvNet((8, 8), pools=pools))


@pytest.mark.parametrize(
    ("family", "data"),
    [
        (MLP((32, 32)), DIGITS),
        (ConvNet((16, 16, 16)), DIGITS),
        (ConvNet1d((16, 16, 16)), Sklearn("digits", (8, 8))),
        (ResNet((ResNetStage(16), ResNetStage(16, 2))), DIGITS),
        (MobileNet((MobileNetStage(16, 2), MobileNetStage(16))), DIGITS),
        (Transformer((TransformerLayer(2, 32),) * 2, width=16), DIGITS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_usual_order_of_compressions_ends_in_a_small_file_that_agrees(family, data, context):
    """Smaller than the weights of its parent alone."""
    rows, info = load(data).validation, load(data).info
    torch.manual_seed(0)
    network = parent = untrained(family, info)
    for step in CHAIN:
        context.checkpoints.clear()
        network = finish(step.run(network, replace(context, data=load(data))))
    assert network.spec.model != family
    file = onnx.export(network, load(data))
    expected = predict(Deployed(network, info), torch.from_numpy(rows.inputs)).numpy()
    gate.check_shrunk(file, bytes(4 * count_parameters(parent)))
    gate.check(file, rows.inputs, gate.Expected(expected))
    answers = runtime.run(runtime.session(file), rows.inputs)
    assert quality.Accuracy()(answers, rows.targets) > 0.6


def test_only_a_first_stage_may_have_no_block():
    emptied = ResNet((ResNetStage(8, 0), ResNetStage(8)))
    rows = torch.randn(2, 1, 8, 8)
    body = emptied.build((1, 8, 8), 10)
    assert len(body.stage0) == 0 and body(rows).shape == (2, 10)
    for stages in ((ResNetStage(8, 0),), (ResNetStage(8), ResNetStage(8, 0))):
        with pytest.raises(UserError, match="it needs one block or more"):
            ResNet(stages).build((1, 8, 8), 10)


class Layer(nn.Module):
    """A layer of an encoder that gives a tuple, and whose attribute is read."""

    def __init__(self, gives_tuple, kind):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)
        self.gives_tuple, self.kind = gives_tuple, kind

    def forward(self, rows):
        rows = rows + self.down(self.up(self.norm(rows)).relu())
        return (rows, None) if self.gives_tuple else rows


class Encoder(nn.Module):
    def __init__(self, depth=3, gives_tuple=True):
        super().__init__()
        self.layers = nn.ModuleList(Layer(gives_tuple, "full") for _ in range(depth))
        self.head = nn.Linear(64, 10)

    def forward(self, rows):
        rows = rows[:, 0]
        for layer in self.layers:
            assert layer.kind == "full" and layer.norm.eps > 0
            made = layer(rows)
            rows = made[0] if isinstance(made, tuple) else made
        return self.head(rows.flatten(1))


class ReadsInside(Encoder):
    """Reads what stands in its first blocks, which therefore cannot go."""

    def __init__(self, depth, num_read):
        super().__init__(depth)
        self.num_read = num_read

    def forward(self, rows):
        read = sum(len(layer.up.weight) / 16 for layer in self.layers[: self.num_read])
        return super().forward(rows) * read


def encoder(depth=3, gives_tuple=True):
    return Encoder(depth, gives_tuple)


def reads_inside(depth=3, num_read=1):
    return ReadsInside(depth, num_read)


@pytest.mark.parametrize("gives_tuple", [True, False])
@pytest.mark.parametrize("index", [0, 2])
def test_a_residual_block_of_ones_own_module_that_does_nothing_goes(
    index, gives_tuple, build, context
):
    options = {"gives_tuple": gives_tuple}
    network = build(Imported(encoder, options=options))
    for other in {0, 1, 2} - {index}:
        nn.init.normal_(network.body.layers[other].down.weight)
    network = finish(Train(learning_rate=Cosine(0.01), epochs=3).run(network, context))
    for parameter in network.body.layers[index].down.parameters():
        nn.init.zeros_(parameter)
    rows = torch.from_numpy(context.data.validation.inputs)
    before = predict(Deployed(network, context.data.info), rows)
    smaller = RemoveLayers().apply(network, context)
    assert torch.equal(predict(Deployed(smaller, context.data.info), rows), before)
    assert count_parameters(smaller.body.layers[index]) == 0
    assert {outcome.tensor for outcome in context.outcomes["remove_layers"]} == {
        f"layers.{index}.{name}" for name, _ in network.body.layers[index].named_parameters()
    }
    files = dump(smaller)
    again = restore(files["weights.safetensors"], files["spec.json"])
    assert torch.equal(predict(Deployed(again, context.data.info), rows), before)
    file = onnx.export(smaller, context.data)
    gate.check_shrunk(file, onnx.export(network, context.data))
    gate.check(file, rows.numpy(), gate.Expected(before.numpy()))


def test_a_block_that_forward_reads_otherwise_stays(build, context):
    smaller = RemoveLayers(count=2).apply(build(Imported(reads_inside)), context)
    assert [count_parameters(layer) > 0 for layer in smaller.body.layers] == [True, False, False]


def test_a_fraction_is_of_the_blocks_that_can_go_before_a_training_and_after(build, context):
    network = build(Imported(reads_inside, options={"depth": 6, "num_read": 3}))
    step = RemoveLayers(fraction=0.6)
    step.check_network(network, context.data)
    layers = step.apply(network, context).body.layers
    assert sum(isinstance(layer, Bypass) for layer in layers) == step.number(3) == 2


def test_a_module_without_its_blocks_can_be_cut_and_quantized(build, context):
    network = RemoveLayers().apply(build(Imported(encoder)), context)
    network = RemoveLayers().apply(network, context)
    cut = Prune(0.5).apply(network, context)
    quantized = finish(Quantize().run(cut, context))
    assert count_parameters(cut) < count_parameters(network)
    inputs = context.data.validation.inputs
    expected = predict(Deployed(quantized, context.data.info), torch.from_numpy(inputs)).numpy()
    gate.check(onnx.export(quantized, context.data), inputs, gate.Expected(expected))


@pytest.mark.parametrize(
    ("family", "step", "sentence"),
    [
        (Linear(), RemoveLayers(), "this Linear has no block that can go"),
        (Imported(encoder, options={"depth": 1}), RemoveLayers(), "of its modules that are called"),
        (Imported(encoder), RemoveLayers(3), "only 2 blocks of this Imported can go, not 3"),
        (Imported(reads_inside), RemoveLayers(2), "only 1 blocks of this Imported can go, not 2"),
        (MLP((16, 16)), RemoveLayers(2), "only 1 blocks of this MLP can go, not 2"),
    ],
)
def test_what_cannot_go_is_told_of_the_untrained_network(family, step, sentence, build, context):
    with pytest.raises(UserError, match=f"step 'remove_layers': .*{sentence}"):
        step.check_network(build(family), context.data)
    RemoveLayers().check_network(build(Imported(encoder)), context.data)


def test_a_trial_in_which_no_block_can_go_trains_nothing(config, store):
    recipe = (config.recipe[0], RemoveLayers())
    _, result = drive(replace(config, model=Linear(), recipe=recipe), store)
    assert result.status == "rejected" and "no block that can go" in result.reason
    assert result.stages == {}
