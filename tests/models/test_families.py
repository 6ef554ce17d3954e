"""Every family: what it takes, how wide and deep it is, how it is cut, folded and exported."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.families import (
    DATASETS,
    ENCODER,
    IMAGE,
    SERIES,
    SHARED,
    SMALL,
    TEXT,
    built,
    parametrized,
)
from helpers.trials import finish, load
from torch import nn

from automl.bounds.file_bytes import least_bytes
from automl.compression.cut_units import cut
from automl.compression.fold_batch_norm import fold_batch_norm
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.compression.remove_layers import blocks, without
from automl.errors import UserError
from automl.export import onnx
from automl.export.claims import broken_claim, claims
from automl.measure.work import work
from automl.models.building_blocks import ACTIVATIONS, NORMALISATIONS
from automl.models.convnet import ConvNet
from automl.models.convnet1d import ConvNet1d
from automl.models.deployed import Deployed, predict
from automl.models.ensemble_mlp import EnsembleMLP
from automl.models.family import Network, count_parameters
from automl.models.gated_convnet import GatedConvNet, GatedStage
from automl.models.linear import Linear
from automl.models.mlp import MLP
from automl.models.mobilenet import MobileNet, MobileNetStage
from automl.models.possible_network import before_any_step
from automl.models.resnet import ResNet, ResNetStage
from automl.models.transformer import Transformer, TransformerLayer
from automl.models.weights import weights
from automl.runtimes import onnx as runtime
from automl.training.loop import Train

ODD = [
    (MLP((6, 5), normalisation="none"), IMAGE),
    (EnsembleMLP((6, 5), 3, "silu"), IMAGE),
    (ResNet((ResNetStage(8, 2), ResNetStage(8, 2, inner=(4, 6)), ResNetStage(3))), IMAGE),
    (ResNet((ResNetStage(8, 2, squeeze=3), ResNetStage(6))), IMAGE),
    (MobileNet((MobileNetStage(8, 2), MobileNetStage(8, 2, 1)), 5, "silu", "none"), IMAGE),
    (GatedConvNet((GatedStage(8, 2), GatedStage(8, 2, 1)), 3, "relu", "none"), IMAGE),
    (Transformer((TransformerLayer(3, 5), TransformerLayer(2, 8)), 12, head_dim=4), IMAGE),
    (ConvNet1d((7, 5), 3, "gelu", "none"), SERIES),
]
IN_FLOAT = [
    (Linear(), IMAGE),
    (EnsembleMLP((16,)), IMAGE),
    (ResNet((ResNetStage(16), ResNetStage(24)), 3, "hardswish", "group"), IMAGE),
    (MobileNet((MobileNetStage(16), MobileNetStage(24))), IMAGE),
    (GatedConvNet((GatedStage(16), GatedStage(24))), IMAGE),
    (ENCODER, TEXT),
    (ConvNet1d((16, 16)), TEXT),
]
"""One of each family that tests/export does not export."""


DEEP = [
    (MLP((64, 64, 16, 16), normalisation="group"), IMAGE, 3),
    (ConvNet((8, 8, 8, 8)), IMAGE, 3),
    (ConvNet((1, 6, 6), activation="gelu", pools=(0, 1, 1)), IMAGE, 2),
    (ResNet((ResNetStage(8, 2), ResNetStage(8, 3, inner=(4, 5, 6)), ResNetStage(6))), IMAGE, 4),
    (ResNet((ResNetStage(8), ResNetStage(8)), activation="silu"), IMAGE, 1),
    (MobileNet((MobileNetStage(8, 2), MobileNetStage(8, 2, 3))), IMAGE, 3),
    (
        ResNet((ResNetStage(8, 2, shared=True), ResNetStage(6, 3, inner=(4, 5), shared=True))),
        IMAGE,
        4,
    ),
    (GatedConvNet((GatedStage(8, 2), GatedStage(8, 3))), IMAGE, 4),
    (GatedConvNet((GatedStage(8, 3, shared=True), GatedStage(6))), SERIES, 3),
    (Transformer((TransformerLayer(3, 5), TransformerLayer(2, 8)), 12, head_dim=4), IMAGE, 2),
    (ENCODER.with_widths((4, 32)), TEXT, 0),
    (replace(ENCODER, layers=ENCODER.layers * 3), TEXT, 3),
    (ConvNet1d((8, 8, 8, 8)), SERIES, 3),
    (ConvNet1d((16, 16, 16), embedding=16), TEXT, 2),
]
"""With the number of blocks that can go."""


def rows(shape, count=16):
    return torch.randint(256, (count, *shape)) if shape == TEXT else torch.randn(count, *shape)


def silenced(network, group, units):
    """The same network, all that makes these units set to 0."""
    state = dict(network.body.state_dict())
    for part in group.produced:
        entries = (units[:, None] * part.block + torch.arange(part.block)).flatten()
        state[part.name] = state[part.name].index_fill(part.dim, entries, 0.0)
    copy = Network(network.spec)
    copy.body.load_state_dict(state)
    return copy.eval()


@parametrized(SMALL + ODD + SHARED)
def test_removing_units_equals_silencing_them(family, shape):
    network, groups, inputs = built(family, shape), family.groups(), rows(shape)
    network.train()(inputs)
    network.eval()
    for position, group in enumerate(groups):
        order = torch.randperm(group.size)
        gone, kept = order[: group.size // 2], order[group.size // 2 :].sort().values
        units = [kept if i == position else torch.arange(g.size) for i, g in enumerate(groups)]
        smaller = cut(network, groups, units).eval()
        assert smaller.spec.model.groups()[position].size == len(kept)
        assert torch.allclose(smaller(inputs), silenced(network, group, gone)(inputs), atol=1e-5)
        assert not torch.allclose(smaller(inputs), network(inputs), atol=1e-5)


@pytest.mark.parametrize(("family", "shape", "count"), DEEP)
def test_removing_a_block_equals_skipping_it(family, shape, count):
    network, inputs = built(family, shape), rows(shape)
    network.train()(inputs)
    network.eval()
    found = blocks(network, rows(shape))
    assert len(found) == count
    for block in found:
        skipping = Network(network.spec).eval()
        skipping.load_state_dict(network.state_dict())
        skipping.body.set_submodule(f"{block.stem}{block.index}", nn.Identity())
        shallower = without(network, block).eval()
        assert shallower.spec.model == block.without
        assert count_parameters(shallower) == count_parameters(skipping) < count_parameters(network)
        assert torch.allclose(shallower(inputs), skipping(inputs), atol=1e-5)
        assert not torch.allclose(shallower(inputs), network(inputs), atol=1e-5)


def test_a_cut_is_written_into_the_stages():
    family = ResNet((ResNetStage(16), ResNetStage(32, blocks=2)))
    assert [group.size for group in family.groups()] == [16, 16, 32, 32, 32]
    assert family.with_widths((8, 4, 16, 5, 6)) == ResNet(
        (ResNetStage(8, inner=(4,)), ResNetStage(16, blocks=2, inner=(5, 6)))
    )


def test_a_block_of_mobilenet_expands_what_it_reads():
    family = MobileNet((MobileNetStage(16, expansion=2), MobileNetStage(24, 2, expansion=3)))
    assert [group.size for group in family.groups()] == [16, 32, 24, 48, 72]


@pytest.mark.parametrize("normalisation", ["group", "layer"])
def test_no_cut_is_exact_where_a_norm_mixes_the_units(normalisation):
    for family in (MLP(), ConvNet(), ResNet(), MobileNet(), GatedConvNet(), ConvNet1d()):
        assert replace(family, normalisation=normalisation).groups() == ()


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        (MLP((8,)), [{"widths": (16,)}, {"widths": (8, 8)}]),
        (ConvNet((8,)), [{"channels": (16,)}, {"channels": (8, 8)}, {"kernel_size": 5}]),
        (
            ResNet((ResNetStage(8),)),
            [
                {"stages": (ResNetStage(16),)},
                {"stages": (ResNetStage(8, blocks=2),)},
                {"stages": (ResNetStage(8, inner=(16,)),)},
                {"stages": (ResNetStage(8), ResNetStage(8))},
                {"stages": (ResNetStage(8, blocks=2, shared=True),)},
                {"kernel_size": 5},
            ],
        ),
        (
            MobileNet((MobileNetStage(8),)),
            [
                {"stages": (MobileNetStage(16),)},
                {"stages": (MobileNetStage(8, blocks=2),)},
                {"stages": (MobileNetStage(8, expansion=6),)},
                {"stages": (MobileNetStage(8), MobileNetStage(8))},
                {"kernel_size": 5},
            ],
        ),
        (
            ENCODER,
            [
                {"layers": (TransformerLayer(heads=5, hidden=32),)},
                {"layers": (TransformerLayer(heads=4, hidden=40),)},
                {"layers": ENCODER.layers * 2},
                {"width": 40},
                {"head_dim": 16},
            ],
        ),
        (ConvNet1d((8,)), [{"channels": (16,)}, {"channels": (8, 8)}, {"kernel_size": 7}]),
    ],
)
def test_width_and_depth_are_what_the_fields_say(family, changes):
    shape = SERIES if isinstance(family, ConvNet1d) else IMAGE
    least = count_parameters(built(family, shape))
    for change in changes:
        assert count_parameters(built(replace(family, **change), shape)) > least


def test_the_default_resnet_fits_mnist():
    assert count_parameters(built(ResNet(), (1, 28, 28))) == 77_754


@parametrized([case for case in SMALL if hasattr(case[0], "normalisation")])
def test_every_normalisation_and_activation_runs(family, shape):
    norms = {"batch": nn.modules.batchnorm._BatchNorm, "none": nn.Identity}
    for normalisation in NORMALISATIONS:
        for activation in ACTIVATIONS:
            chosen = replace(family, normalisation=normalisation, activation=activation)
            network = built(chosen, shape)
            assert network(rows(shape)).isfinite().all()
            kinds = {type(module) for module in network.modules()}
            assert type(ACTIVATIONS[activation]()) in kinds
            assert any(issubclass(k, norms.get(normalisation, nn.GroupNorm)) for k in kinds)


@pytest.mark.parametrize(
    ("family", "shape", "sentence"),
    [
        (ConvNet(), (30,), r"ConvNet needs images .* shape \(30,\); choose MLP for tables"),
        (ResNet(), (8, 8), r"ResNet needs images .* shape \(8, 8\); choose ConvNet1d for series"),
        (MobileNet(), (30,), r"MobileNet needs images .* shape \(30,\); choose MLP for tables"),
        (ConvNet1d(), IMAGE, r"ConvNet1d needs series .* \(1, 8, 8\); choose ConvNet for images"),
        (ConvNet1d(), (30,), r"ConvNet1d needs series .* shape \(30,\); choose MLP for tables"),
        (Transformer(), (30,), r"Transformer needs series .* or images .* choose MLP for tables"),
        (Transformer(), (2, 3, 4, 5), "choose MLP, which takes any shape"),
        (Transformer(), (3, 30, 30), r"shape \(3, 30, 30\) into patches of 4 .* choose patch=3"),
        (ConvNet(), TEXT, "ConvNet does not take text; choose Transformer or ConvNet1d"),
        (Linear(), TEXT, "Linear does not take text; choose Transformer or ConvNet1d"),
        (ResNet(()), IMAGE, "ResNet has no stages"),
        (ResNet((ResNetStage(8, 2, inner=(8,)),)), IMAGE, "an inner width for each"),
        (
            ResNet((ResNetStage(8, 3, inner=(8, 8), shared=True),)),
            IMAGE,
            "inner width for each that has weights of its own",
        ),
        (
            Transformer((TransformerLayer(), TransformerLayer(2)), shared=True),
            IMAGE,
            "layers of shared weights are alike; give each the same sizes",
        ),
        (
            GatedConvNet((GatedStage(8),), normalisation="none", layer_scale=0.1),
            IMAGE,
            "layer_scale is where norms begin, and normalisation is 'none'; choose 'batch'",
        ),
        (ConvNet(kernel_size=4), IMAGE, "kernel_size 4 is even; choose an odd one"),
        (ConvNet(activation="rely"), IMAGE, "unknown activation 'rely'; did you mean 'relu'"),
        (Transformer(activation="x"), IMAGE, "unknown activation 'x'; known: relu, gelu"),
        (MLP(normalisation="bach"), IMAGE, "unknown normalisation 'bach'; did you mean 'batch'"),
    ],
)
def test_what_a_family_cannot_take_it_says_in_a_sentence(family, shape, sentence):
    with pytest.raises(UserError, match=sentence):
        built(family, shape)


def test_blocks_with_a_residual_begin_at_the_scale_of_layers():
    family = GatedConvNet((GatedStage(8), GatedStage(8, 2)), layer_scale=0.1)
    state = built(family, IMAGE).state_dict()
    found = {n: t.unique().tolist() for n, t in state.items() if n.endswith("project.norm.weight")}
    (begins,) = (n for n in found if "stage1.block0" in n)
    assert found.pop(begins) == [1.0]
    assert list(found.values()) == [[pytest.approx(0.1)]] * 2


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 3), (3, 5, 40), (3, 1), (3, 10)])
def test_deep_networks_take_small_rows(shape):
    of_images = (ConvNet((8,) * 5), ResNet((ResNetStage(8),) * 5), MobileNet(), GatedConvNet())
    of_series = (ConvNet1d((8,) * 5), Transformer(), GatedConvNet())
    for family in of_images if len(shape) == 3 else of_series:
        assert built(family, shape).eval()(rows(shape, 1)).isfinite().all()


@pytest.mark.parametrize("family", [ConvNet((8,) * 5), ResNet((ResNetStage(8),) * 5)])
def test_no_image_is_halved_below_two_by_two(family):
    network, seen = built(family, (1, 28, 28)), []
    average = network.body.get_submodule("average")
    average.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape[2:]))
    network(rows((1, 28, 28)))
    assert min(seen[0]) >= 2


@parametrized(IN_FLOAT)
def test_the_exported_file_agrees_at_any_batch_size(family, shape):
    data = load(DATASETS[shape])
    network = built(family, shape, len(data.info.classes))
    session = runtime.session(onnx.export(network, data))
    raw = data.validation.inputs[:8]
    own = predict(Deployed(network, data.info), torch.from_numpy(raw)).numpy()
    for size in (1, 3):
        assert np.allclose(runtime.run(session, raw, batch_size=size), own, atol=1e-4)


@pytest.mark.parametrize("bits", [8, 2])
@parametrized(SMALL + SHARED[::2])
def test_few_bits_after_pruning_are_what_the_file_computes(family, shape, bits, context):
    data = load(DATASETS[shape])
    quantize = Quantize(bits=bits, training=Train(epochs=0))
    network, steps = built(family, shape, len(data.info.classes)), (Prune(0.5), quantize)
    for step in steps if family.groups() else steps[1:]:
        network = finish(step.run(network, replace(context, data=data)))
    assert not [weight.name for weight in weights(network.body) if weight.is_of_layer]
    raw = data.validation.inputs[:256]
    own = predict(Deployed(network, data.info), torch.from_numpy(raw)).numpy()
    file = onnx.export(network, data)
    shipped = runtime.run(runtime.session(file), raw, batch_size=100)
    assert np.abs(own - shipped).max() < 0.05 * np.abs(own).max()
    assert broken_claim(file, runtime.optimised(file), claims(network)) == ""


@pytest.mark.parametrize(
    ("one", "three", "apart"),
    [
        (
            ResNet((ResNetStage(16, 1),)),
            ResNet((ResNetStage(16, 3, shared=True),)),
            ResNet((ResNetStage(16, 3),)),
        ),
        (
            ENCODER,
            replace(ENCODER, layers=ENCODER.layers * 3, shared=True),
            replace(ENCODER, layers=ENCODER.layers * 3),
        ),
    ],
)
def test_shared_weights_stand_in_a_file_once_and_count_at_each_use(one, three, apart):
    data, files, macs = load(DATASETS[IMAGE]), [], []
    for family in (one, three, apart):
        files.append(onnx.export(built(family, IMAGE), data))
        (known,) = before_any_step(family, data.info)
        macs.append(work(files[-1], data.validation.inputs[:1]).macs)
        assert known.shape.macs == macs[-1] and least_bytes(known) <= len(files[-1])
    assert len(files[1]) - len(files[0]) < (len(files[2]) - len(files[0])) / 4
    assert macs[0] < macs[1] == macs[2]


@parametrized([case for case in SMALL + ODD if getattr(case[0], "normalisation", "") == "batch"])
def test_every_batch_norm_is_folded(family, shape):
    network = built(family, shape)
    network.train()(rows(shape))
    inputs = rows(shape)
    folded = fold_batch_norm(network, inputs)
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in folded.modules())
    assert torch.allclose(folded(inputs), network.eval()(inputs), atol=1e-5)
