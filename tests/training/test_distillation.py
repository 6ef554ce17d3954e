"""Losses in which other networks teach: what they compute, who learns, and what is kept."""

from dataclasses import dataclass, replace

import pytest
import torch
from helpers.trials import DIGITS, finish, load
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from automl import config_checks
from automl.data.sklearn import Sklearn
from automl.errors import Rejected, UserError
from automl.models.convnet import ConvNet
from automl.models.convnet1d import ConvNet1d
from automl.models.deployed import Deployed, predict
from automl.models.family import Network, Spec, count_parameters, dump, untrained
from automl.models.imported import Imported
from automl.models.linear import Linear
from automl.models.mlp import MLP
from automl.models.resnet import ResNet, ResNetStage
from automl.models.transformer import Transformer, TransformerLayer
from automl.recipe import Sibling
from automl.training.augmentation import Augmentation, Flip, Shift
from automl.training.batches import Batches
from automl.training.distillation import Distill, Joint, Mutual
from automl.training.hints import relative_distance
from automl.training.loop import Train
from automl.training.mixing import Cutmix
from automl.training.optimizers import Nesterov
from automl.training.schedules import Cosine, Fixed

logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.2, 0.1]])
taught = torch.tensor([[3.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
targets = torch.tensor([0, 2])

TOGETHER = [Joint(hints=1.0), Joint(model=MLP((48, 8)), hints=0.5), Mutual(peers=2)]


def divergence(outputs, others, temperature):
    p, q = (others / temperature).softmax(1), (outputs / temperature).softmax(1)
    return (p * (p.log() - q.log())).sum()


def labels(outputs):
    return F.cross_entropy(outputs, targets, reduction="sum")


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def narrow():
    """A user's module that answers with 3 numbers per row."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))


def seeded():
    """A user's module that begins with the same weights each time."""
    torch.manual_seed(5)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def two_layers():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))


def line():
    """A user's module of a regression on diabetes."""
    return nn.Linear(10, 1)


@dataclass(frozen=True)
class Same(Augmentation):
    """Leaves rows as they are, so that a teacher is asked for each batch."""

    def __call__(self, rows):
        return rows


def test_distillation_weighs_softened_divergence_and_labels():
    expected = 0.6 * 4 * divergence(logits, taught, 2) + 0.4 * labels(logits)
    loss = Distill(temperature=2.0, weight=0.6)(logits, targets, taught)
    assert torch.allclose(loss, expected)


def test_a_student_that_agrees_with_its_teacher_has_nothing_to_learn():
    assert Distill(weight=1.0)(logits, targets, logits).abs() < 1e-6


def test_in_a_regression_the_teacher_gives_numbers():
    own, teachers, true = torch.zeros(3, 1), torch.ones(3, 1), torch.full((3, 1), 2.0)
    assert Distill(weight=0.5)(own, true, teachers) == pytest.approx(0.5 * 3 + 0.5 * 12)
    joint = Joint(weight=0.5, hints=2.0)((own, teachers, torch.ones(3)), true, None)
    assert joint == pytest.approx(0.5 * 3 + 0.5 * 12 + 3 + 2 * 3)
    mutual = Mutual(weight=0.5)(torch.stack([own, teachers]), true, None)
    assert mutual == pytest.approx((0.5 * 3 + 0.5 * 12) + (0.5 * 3 + 0.5 * 3))


def test_a_joint_teacher_learns_from_the_labels_alone():
    own, theirs = logits.clone().requires_grad_(), taught.clone().requires_grad_()
    apart = torch.tensor([0.5, 0.25])
    loss = Joint(temperature=2.0, weight=0.6, hints=0.1)((own, theirs, apart), targets, None)
    student = 0.6 * 4 * divergence(logits, taught, 2) + 0.4 * labels(logits)
    assert torch.allclose(loss, student + labels(taught) + 0.1 * 0.75)
    loss.backward()
    alone = taught.clone().requires_grad_()
    labels(alone).backward()
    assert torch.allclose(theirs.grad, alone.grad)


def test_each_peer_learns_from_the_labels_and_from_all_others():
    three, expected = [logits, taught, -logits], torch.zeros(())
    for i, own in enumerate(three):
        others = [divergence(own, other, 1) for j, other in enumerate(three) if j != i]
        expected += 0.3 * sum(others) / 2 + 0.7 * labels(own)
    assert torch.allclose(Mutual(peers=2, weight=0.3)(torch.stack(three), targets, None), expected)


@pytest.mark.parametrize("loss", TOGETHER)
def test_what_learns_together_goes_on_bit_identically(loss, context, build):
    step = Train(Nesterov(), Cosine(0.05), epochs=5, loss=loss)
    whole = step.run(build(MLP((16, 8))), context)
    losses = [next(whole).metrics["loss"] for _ in range(5)]
    assert losses[-1] < losses[0]
    _, checkpointed = context.checkpoints.load()
    context.checkpoints.clear()
    killed = step.run(build(MLP((16, 8))), context)
    for _ in range(3):
        next(killed)
    killed.close()
    resumed = step.run(build(MLP((16, 8))), context)
    assert next(resumed).epoch == 4
    next(resumed)
    _, again = context.checkpoints.load()
    assert again == checkpointed
    assert equal(finish(whole).state_dict(), finish(resumed).state_dict())


@pytest.mark.parametrize("loss", TOGETHER)
def test_the_model_alone_is_kept(loss, context, build):
    plain = finish(Train(epochs=1).run(build(MLP((16, 8))), context))
    context.checkpoints.clear()
    student = finish(Train(epochs=1, loss=loss).run(build(MLP((16, 8))), context))
    _, files = context.checkpoints.load()
    assert student.spec == plain.spec
    assert len(dump(student)["weights.safetensors"]) == len(dump(plain)["weights.safetensors"])
    assert len(files["weights.safetensors"]) > 1.9 * len(dump(plain)["weights.safetensors"])
    assert not any(module._forward_hooks for module in student.modules())


@pytest.mark.parametrize("loss", TOGETHER)
def test_all_that_learn_together_are_optimised(loss, context, build):
    info = context.data.info
    module = loss.around(build(MLP((16, 8))), info)
    inputs, classes = torch.randn(32, 1, 8, 8), torch.randint(10, (32,))
    loss(module(inputs), classes, None).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_hints_change_what_the_student_learns(context, build):
    trained = []
    for hints in (0.0, 0.5):
        context.checkpoints.clear()
        step = Train(epochs=1, loss=Joint(hints=hints))
        trained.append(finish(step.run(build(MLP((16,))), context)).state_dict())
    assert not equal(*trained)


@pytest.mark.parametrize(
    ("family", "spec", "hidden"),
    [
        (MLP((16, 8)), ((1, 8, 8), 10), ["block0", "block1"]),
        (ConvNet((8, 16)), ((1, 8, 8), 10), ["block0", "block1"]),
        (ResNet((ResNetStage(8), ResNetStage(8))), ((1, 8, 8), 10), ["stem", "stage0", "stage1"]),
        (ConvNet1d((8,)), ((8, 8), 10), ["block0"]),
        (Transformer((TransformerLayer(2, 8),)), ((1, 8, 8), 10), ["patches", "layer0"]),
        (Transformer((TransformerLayer(2, 8),)), ((16,), 2, 256), ["layer0"]),
    ],
)
def test_a_student_that_is_its_teacher_has_no_distance_left(family, spec, hidden, context):
    """Twins, their regressors the identity; then one whose hidden layers differ."""
    model = Network(Spec(family, *spec))
    module = Joint(model=family).around(model, context.data.info)
    assert [pair.name for pair in module.pairs] == hidden
    shape, is_text = model.spec.input_shape, bool(model.spec.num_tokens)
    rows = torch.randint(256, (4, *shape)) if is_text else torch.randn(4, *shape)
    _, _, apart = module.eval()(rows)
    assert apart.shape == (4,) and (apart > 1e-4).all()
    module.teacher.load_state_dict(model.state_dict())
    for regressor in module.regressors:
        nn.init.eye_(regressor.weight)
        nn.init.zeros_(regressor.bias)
    own, theirs, apart = module(rows)
    assert torch.equal(own, theirs)
    assert (apart < 1e-10).all()


def test_the_size_of_hidden_numbers_does_not_weigh():
    torch.manual_seed(0)
    own, hint = torch.randn(4, 5, 3), torch.randn(4, 5, 3)
    distance = relative_distance(own, hint)
    assert torch.allclose(relative_distance(1000 * own, 1000 * hint), distance)
    assert ((distance > 0) & (distance <= 2)).all()
    assert torch.allclose(relative_distance(-hint, hint), torch.full((4,), 2.0))
    silent = torch.zeros(4, 5, 3, requires_grad=True)
    relative_distance(silent, torch.zeros(4, 5, 3)).sum().backward()
    assert not silent.grad.any()


def test_a_teacher_has_each_width_of_the_model_times_the_factor(build, context):
    module = Joint(width_factor=1.5).around(build(ConvNet((8, 16))), context.data.info)
    assert module.teacher.spec.model == ConvNet((12, 24))
    assert [(r.in_features, r.out_features) for r in module.regressors] == [(8, 12), (16, 24)]
    stages = ResNet((ResNetStage(8), ResNetStage(16, inner=(4,))))
    wider = stages.widened(2.0)
    assert [group.size for group in wider.groups()] == [16, 16, 32, 8]
    assert count_parameters(build(wider)) > 3 * count_parameters(build(stages))


def test_a_teacher_of_another_family_hints_where_names_agree(build, context):
    module = Joint(model=ConvNet((16, 32, 32))).around(build(ConvNet((8, 8))), context.data.info)
    assert [pair.name for pair in module.pairs] == ["block0", "block1"]
    two = Imported(two_layers)
    module = Joint(model=two).around(build(two), context.data.info)
    assert [(pair.name, pair.own) for pair in module.pairs] == [("1", 12)]


def test_peers_begin_with_other_weights_and_are_as_large(build, context):
    model = build(MLP((16,)))
    networks = Mutual(peers=2).around(model, context.data.info).networks
    assert networks[0] is model
    assert [network.spec for network in networks] == [model.spec] * 3
    starts = [network.body.head.weight for network in networks]
    assert not any(torch.equal(starts[i], starts[j]) for i, j in [(0, 1), (0, 2), (1, 2)])


@pytest.mark.parametrize("loss", [Distill(), Joint(), Mutual()])
def test_a_regression_is_learned_from_others_too(loss, context):
    data = load(Sklearn("diabetes"))
    context = replace(context, data=data, teacher=lambda label: untrained(MLP((8,)), data.info))
    loss.check(data.info)
    reports = list(Train(epochs=4, loss=loss).run(untrained(MLP((8,)), data.info), context))
    assert reports[-1].metrics["loss"] < reports[0].metrics["loss"]


@pytest.mark.parametrize(
    ("options", "passes"),
    [({}, 1), ({"augmentations": (Shift(1),)}, 3), ({"mixup": 0.4}, 3)],
    ids=["plain", "augmented", "mixed"],
)
def test_a_teacher_answers_once_where_rows_stay_as_they_are(options, passes, context, build):
    teacher, seen = build(ConvNet((8,))), []
    teacher.register_forward_hook(lambda module, inputs, outputs: seen.append(len(outputs)))
    step = Train(epochs=3, loss=Distill(), **options)
    asked = replace(context, teacher=lambda label: teacher)
    finish(step.run(build(ConvNet((8,))), asked))
    while_checked = 2
    assert sum(seen) == while_checked + passes * len(context.data.train.targets)


@pytest.mark.parametrize("augmentations", [(), (Shift(1),)], ids=["plain", "augmented"])
def test_a_teacher_answers_in_the_precision_and_format_of_the_step(augmentations, context, build):
    teacher, seen = build(ConvNet((8,))), []
    convolution = next(m for m in teacher.modules() if isinstance(m, torch.nn.Conv2d))
    convolution.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs))
    step = Train(
        epochs=1,
        loss=Distill(),
        augmentations=augmentations,
        precision="bf16",
        channels_last=True,
    )
    finish(step.run(build(ConvNet((8,))), replace(context, teacher=lambda label: teacher)))
    asked = seen[1:]
    assert {outputs.dtype for outputs in asked} == {torch.bfloat16}
    assert all(outputs.is_contiguous(memory_format=torch.channels_last) for outputs in asked)


@pytest.mark.parametrize("mixup", [Fixed(0.0), Fixed(0.4)], ids=["", "mixup"])
@pytest.mark.parametrize("augmentations", [(), (Same(),), (Cutmix(probability=1.0),)], ids=str)
def test_a_teacher_sees_rows_scaled_as_it_was_trained(augmentations, mixup, context):
    """A teacher answers the rows as they are mixed."""
    data = context.data
    teacher = untrained(Imported(seeded, mean=(3.0,), std=(2.0,)), data.info)
    batches = Batches(data, MLP(), augmentations, mixup, "cpu")
    batches.learn_from(teacher, lambda network, inputs: network(inputs))
    rows = torch.arange(50)
    (part,) = batches.take(rows, len(rows))
    raw = torch.from_numpy(data.train.inputs[:50])
    expected = predict(Deployed(teacher, data.info), raw)
    if part.share == 1.0:
        assert torch.allclose(part.taught, expected, atol=1e-5)
        return
    mean, std = data.info.inputs.mean[0], data.info.inputs.std[0]
    mixed = part.inputs * std + mean
    assert torch.allclose(
        part.taught, predict(Deployed(teacher, data.info), mixed.flatten(1)), atol=1e-4
    )
    assert not torch.allclose(part.taught, expected, atol=1e-2)


@pytest.mark.parametrize(
    "step", [Train(epochs=1, loss=Distill()), Train(epochs=1, loss=Joint(model=MLP()))]
)
def test_a_teacher_that_answers_in_other_units_is_refused(step, context, tmp_path):
    save_file(nn.Linear(10, 1).state_dict(), tmp_path / "line.safetensors")
    trained = Imported(line, str(tmp_path / "line.safetensors"))
    regression = replace(context, data=load(Sklearn("diabetes")))
    model, teacher = (untrained(f, regression.data.info) for f in (trained, MLP()))
    with pytest.raises(Rejected, match=r"the targets' own units.*give both weights, or none"):
        finish(step.run(model, replace(regression, teacher=lambda label: teacher)))


@pytest.mark.parametrize(
    ("loss", "family", "sentence"),
    [
        (Joint(), Linear(), "this Linear has no widths to multiply; name the teacher's `model`"),
        (Joint(model=MLP()), Linear(), "share no hidden layer by name; choose hints=0"),
        (Joint(model=Imported(narrow)), MLP((16,)), r"gives \(3,\) for a row and the data asks"),
        (
            Joint(model=Imported(seeded, mean=(0.0,), std=(1.0,))),
            MLP((16,)),
            "mean and std are not the model's",
        ),
        (Mutual(), Imported(seeded), "each Imported begins with the same weights"),
    ],
)
def test_company_that_cannot_be_is_rejected(loss, family, sentence, context, build):
    with pytest.raises(Rejected, match=sentence):
        loss.around(build(family), context.data.info)


def test_a_teacher_of_other_classes_is_rejected(context, build):
    teacher = untrained(Imported(narrow), context.data.info)
    step = Train(epochs=1, loss=Distill())
    with pytest.raises(Rejected, match=r"step 'train': the teacher Imported gives \(3,\) for a"):
        list(step.run(build(MLP((16,))), replace(context, teacher=lambda label: teacher)))


def sibling(*recipe, **options):
    return Distill(Sibling(recipe, **options))


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (Joint(model=Imported(narrow)), r"gives \(3,\) for a row"),
        (Joint(model=ConvNet1d((8,))), "ConvNet1d needs series"),
        (sibling(Train(), model=Imported(narrow)), r"gives \(3,\) for a row"),
        (sibling(Train(), model=Imported(two_layers, options={"x": 1})), "raised TypeError"),
    ],
)
def test_what_does_not_suit_the_data_is_told_before_a_trial(loss, sentence):
    with pytest.raises(UserError, match=sentence):
        Train(loss=loss).check_data(load(DIGITS).info)


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (Joint(temperature=0.0), "temperature must be above 0"),
        (Mutual(weight=1.5), "weight must be from 0 to 1"),
        (Joint(hints=-1.0), "hints must be at least 0"),
        (Joint(width_factor=1.0), "width_factor must be above 1"),
        (Sibling((Train(),), width_factor=0.5), "width_factor must be above 1"),
        (Sibling(()), "a Sibling without steps has nothing to teach"),
        (Mutual(peers=0), "peers must be at least 1"),
    ],
)
def test_numbers_that_cannot_work_are_told(loss, sentence):
    with pytest.raises(UserError, match=sentence):
        config_checks.check(loss)


def test_a_siblings_recipe_is_checked_as_any():
    twice = sibling(Train(), Train())
    for loss, sentence in [
        (twice, "two steps of the recipe are labelled 'train'"),
        (sibling(Train(precision="fp8")), "unknown precision of step 'train' 'fp8'"),
        (sibling(Train(loss=Distill("before"))), "distils from 'before', which is no step"),
    ]:
        with pytest.raises(UserError, match=sentence):
            Train(loss=loss).check(())
    table = load(Sklearn("iris")).info
    with pytest.raises(UserError, match="augments with Flip, which does not suit"):
        Train(loss=sibling(Train(augmentations=(Flip(),)))).check_data(table)
