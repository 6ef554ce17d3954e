"""Binarize: the weights are a sign and a scale, in the model, in the store and in the file."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.families import DATASETS, SERIES, TEXT, built
from helpers.trials import DIGITS, drive, finish, load
from torch import nn

from automl.compression.binarize import Binarize
from automl.compression.clip import Clip
from automl.compression.coded_weight import coded_weight, coded_weights, each_once, held
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.errors import Rejected, UserError
from automl.export import onnx
from automl.export.claims import broken_claim, claims
from automl.models.convnet import ConvNet
from automl.models.convnet1d import ConvNet1d
from automl.models.deployed import Deployed, predict, seen_by
from automl.models.family import dump, restore
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.models.transformer import Transformer, TransformerLayer
from automl.runtimes import onnx as runtime
from automl.space.space import TrialConfig
from automl.store import Store
from automl.training.distillation import Distill
from automl.training.loop import Train
from automl.training.schedules import Cosine
from automl.trial.checkpoints import Checkpoints

STEP = Binarize(learning_rate=Cosine(0.01), epochs=4)


def binary_layers(network):
    """The codes and the coded weight of each layer."""
    return list(each_once(network).values())


def binary_names(network):
    return [
        name.removesuffix(".parametrizations.weight.original")
        for name, _, _ in coded_weights(network.body)
    ]


def test_a_binarized_network_answers_well_and_is_stored(build, context):
    trained = finish(Train(learning_rate=Cosine(0.01), epochs=6).run(build(MLP((64,))), context))
    clean = replace(context, checkpoints=Checkpoints(context.checkpoints.store, "binarize"))
    binary = finish(STEP.run(trained, clean))
    assert [tuple(codes.shape) for codes, _ in binary_layers(binary)] == [(64, 64), (10, 64)]
    for codes, weight in binary_layers(binary):
        assert codes.dtype == torch.int8
        assert set(codes.unique().tolist()) == {-1, 1}
        assert weight.scale.shape == codes.shape[:1]
        assert (weight.scale >= 0).all()
    weights = "parametrizations.weight"
    kept = {f"{weights}.original", f"{weights}.0.scale", "bias"}
    assert set(binary.body.head.state_dict()) == kept
    rows, info = context.data.validation, context.data.info
    answers = predict(binary, seen_by(binary, rows.inputs, info))
    assert (answers.argmax(1).numpy() == rows.targets).mean() > 0.93
    files = dump(binary)
    again = restore(files["weights.safetensors"], files["spec.json"])
    assert torch.equal(predict(again, seen_by(again, rows.inputs, info)), answers)


@pytest.mark.parametrize(
    ("family", "shape"),
    [
        (ConvNet((16, 16)), (1, 8, 8)),
        (ConvNet1d((16,)), TEXT),
        (Transformer((TransformerLayer(2, 32),)), SERIES),
    ],
)
def test_the_file_holds_the_signs_and_computes_the_same(family, shape, context):
    data = load(DATASETS[shape])
    network = built(family, shape, len(data.info.classes))
    binary = finish(replace(STEP, epochs=1).run(network, replace(context, data=data)))
    layers = [m for m in binary.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear)]
    assert layers and all(coded_weight(layer) is not None for layer in layers)
    raw = data.validation.inputs[:256]
    own = predict(Deployed(binary, data.info), torch.from_numpy(raw)).numpy()
    file = onnx.export(binary, data)
    assert np.allclose(runtime.run(runtime.session(file), raw), own, atol=1e-4)
    optimised = runtime.optimised(file)
    assert broken_claim(file, optimised, claims(binary)) == ""
    assert b"DequantizeLinear" not in optimised  # scaled once, when the file is loaded
    held = [w for w in onnx.weights(file).values() if w.dtype == np.int8 and w.ndim > 1]
    codes = [codes.numpy() for codes, _ in binary_layers(binary)]
    assert len(held) == len(codes)
    assert all(any(np.array_equal(code, w) for w in held) for code in codes)


def test_scales_of_any_sign_are_what_the_file_computes(build, context):
    """A training may turn them; beside layers of integers, whose scales must be positive, too."""
    binary = finish(Binarize(epochs=1, ends=False).run(build(ConvNet((8, 8, 8))), context))
    for _, weight in binary_layers(binary):
        weight.scale.data[:4] *= torch.tensor([-1.0, 0.0, -1e-9, -3.0])
    mixed = finish(Quantize().run(binary, context))
    assert [weight.bits for _, weight in binary_layers(mixed)] == [8, 1, 1, 8]
    raw, info = context.data.validation.inputs, context.data.info
    for network in (binary, mixed):
        own = predict(Deployed(network, info), torch.from_numpy(raw)).numpy()
        file = onnx.export(network, context.data)
        shipped = runtime.run(runtime.session(file), raw)
        assert np.abs(shipped - own).max() < 0.02 * np.abs(own).max()
        assert broken_claim(file, runtime.optimised(file), claims(network)) == ""


class Up(nn.Module):
    """A transposed convolution in groups of its channels, with a norm after it."""

    def __init__(self, groups):
        super().__init__()
        self.conv, self.first = nn.Conv2d(1, 16, 3, bias=False), nn.BatchNorm2d(16)
        self.up = nn.ConvTranspose2d(16, 16, 2, 2, groups=groups, bias=False)
        self.second, self.head = nn.BatchNorm2d(16), nn.Linear(16 * 36, 10)

    def forward(self, rows):
        rows = self.first(self.conv(rows)).relu()
        rows = self.second(self.up(rows)).relu()
        return self.head(nn.functional.avg_pool2d(rows, 2).flatten(1))


@pytest.mark.parametrize("groups", [1, 4])
def test_a_transposed_convolution_in_groups_is_handed_on_as_it_was_trained(groups, build, context):
    """Its scales are of its inputs, and the norm after it has factors of its outputs."""
    network, info = build(Imported(Up, options={"groups": groups})), context.data.info
    binary = finish(STEP.run(network, context))
    rows = context.data.validation
    answers = predict(Deployed(binary, info), torch.from_numpy(rows.inputs)).argmax(1).numpy()
    assert (answers == rows.targets).mean() > 0.8
    assert binary_names(binary) == ["conv", "up", "head"]
    assert isinstance(binary.body.second, nn.Identity) == (groups == 1)
    file = onnx.export(binary, context.data)
    assert broken_claim(file, runtime.optimised(file), claims(binary)) == ""


def test_weights_are_kept_within_one_and_learn_through_their_signs(build, context):
    seen = []

    class Watched(Binarize):
        def _epoch(self, learner, epoch):
            loss = super()._epoch(learner, epoch)
            latent = learner.spread.module.body.head
            weight = held(latent).detach()
            seen.append(weight.clone())
            assert torch.equal(latent.train()(torch.eye(64)), latent.eval()(torch.eye(64)))
            effective = (latent(torch.eye(64)) - latent.bias).T
            size = weight.abs().mean(1, keepdim=True)
            assert torch.allclose(effective.abs(), size.expand_as(effective), atol=1e-5)
            assert weight.abs().max() <= 1
            return loss

    step = Watched(learning_rate=Cosine(0.3), epochs=2, label="binarize")
    finish(step.run(build(MLP((64,))), context))
    assert (seen[0].sign() != seen[1].sign()).any()


def test_a_training_that_was_lost_goes_on(build, context, tmp_path):
    step = replace(STEP, epochs=3)
    whole = finish(step.run(build(MLP((16,))), context))
    again = replace(context, checkpoints=Checkpoints(Store(str(tmp_path)), "again"))
    for _ in range(2):
        next(step.run(build(MLP((16,))), again))
    assert dump(finish(step.run(build(MLP((16,))), again))) == dump(whole)


def test_ends_and_kept_layers_stay(build, context):
    step = replace(STEP, epochs=1)
    without_ends = finish(replace(step, ends=False).run(build(ConvNet((8, 8, 8))), context))
    assert binary_names(without_ends) == ["block1.conv", "block2.conv"]
    clean = replace(context, checkpoints=Checkpoints(context.checkpoints.store, "other"))
    kept = finish(replace(step, keep=("block0",)).run(build(MLP((16, 16))), clean))
    assert binary_names(kept) == ["block1.linear", "head"]


def test_a_later_training_changes_the_scales_alone(build, context):
    binary = finish(replace(STEP, epochs=1).run(build(MLP((16,))), context))
    before = [(codes.clone(), one.scale.detach().clone()) for codes, one in binary_layers(binary)]
    clean = replace(context, checkpoints=Checkpoints(context.checkpoints.store, "fine_tune"))
    tuned = finish(Train(label="fine_tune", epochs=2).run(binary, clean))
    for (codes, weight), (own, scale) in zip(binary_layers(tuned), before):
        assert torch.equal(codes, own)
        assert not torch.equal(weight.scale, scale)


def test_a_trial_prunes_distils_and_binarizes(store):
    """What was clipped before is clipped no more: a sign is never 0."""
    shrink = (Prune(0.5), Clip(0.5))
    step = Binarize(loss=Distill("train"), learning_rate=Cosine(0.01), epochs=4)
    recipe = (Train(learning_rate=Cosine(0.01), epochs=4), *shrink, step)
    reports, result = drive(TrialConfig(DIGITS, MLP((128,)), recipe), store)
    assert (result.status, result.reason) == ("complete", "")
    assert [report.step for report in reports] == ["train"] * 4 + ["binarize"] * 4
    assert result.measurement.quality["accuracy"] > 0.9
    weights = onnx.weights(store.read(result.key, "model.onnx"))
    codes = [w for w in weights.values() if w.dtype == np.int8 and w.ndim > 1]
    assert [np.unique(code).tolist() for code in codes] == [[-1, 1]] * 2


def test_what_cannot_be_is_told(build, context):
    with pytest.raises(Rejected, match="no layer to binarize"):
        next(replace(STEP, ends=False).run(build(MLP((16,))), context))
    with pytest.raises(UserError, match="distils from 'train', which is no step before it"):
        replace(STEP, loss=Distill("train")).check(())
