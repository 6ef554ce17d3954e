"""What of a model learns: the head, one layer after the other, or additions of low rank."""

import pytest
import torch
from helpers.trials import DIGITS, drive, finish
from torch import nn

from automl.compression.clip import Clip
from automl.compression.quantize import Quantize
from automl.errors import Rejected, UserError
from automl.models.convnet import ConvNet
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.models.transformer import Transformer
from automl.space.space import TrialConfig
from automl.training.loop import Train
from automl.training.parallel import DataParallel
from automl.training.schedules import Cosine
from automl.training.sharded import Sharded
from automl.training.trainable import Gradual, Head, LoRA

NET = MLP((16, 16))


def changed(before, after):
    """The tensors that differ."""
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def trained(step, model, context, build):
    network = build(model)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    return changed(before, finish(step.run(network, context)).state_dict())


def frozen_net():
    body = nn.Linear(64, 16)
    body.requires_grad_(False)
    return nn.Sequential(nn.Flatten(), body, nn.ReLU(), nn.Linear(16, 16), nn.Linear(16, 10))


class Tied(nn.Module):
    """A layer that shares the weight of another."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.own = (nn.Linear(64, 64) for _ in range(3))
        self.head = nn.Linear(64, 10)
        self.second.weight = self.first.weight

    def forward(self, rows):
        return self.head(self.own(self.second(self.first(rows.flatten(1)).relu()).relu()))


@pytest.mark.parametrize("model", [ConvNet((8, 8)), Transformer(), NET])
def test_a_probe_changes_the_head_alone(model, context, build):
    found = trained(Train(trainable=Head(), epochs=2), model, context, build)
    assert found == {"body.head.weight", "body.head.bias"}


def test_the_head_may_be_named_and_a_wrong_name_is_told(context, build):
    found = trained(Train(trainable=Head(("block0",)), epochs=1), NET, context, build)
    assert found and all(name.startswith("body.block0.") for name in found)
    with pytest.raises(Rejected, match="the model has no neck to train as its head"):
        finish(Train(trainable=Head(("neck",))).run(build(NET), context))


def test_layers_join_from_the_last_to_the_first(context, build):
    step = Train(trainable=Gradual(share=1.0), epochs=4)
    network = build(MLP((16, 16), normalisation="none"))
    learning = []
    training = step.run(network, context)
    for _ in training:
        learning.append([n for n, p in network.named_parameters() if p.requires_grad])
    assert learning[0] == ["body.head.weight", "body.head.bias"]
    assert [set(a) <= set(b) for a, b in zip(learning, learning[1:])] == [True] * 3
    assert not any(name.startswith("body.block0") for name in learning[1])
    assert all(p.requires_grad for p in network.parameters())


class HeadFirst(nn.Module):
    """Its head is registered first, and a head that answers only in training last."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 10)
        self.late, self.early = nn.Linear(64, 64), nn.Linear(64, 64)
        self.aux = nn.Linear(64, 10)

    def forward(self, rows):
        rows = self.late(self.early(rows.flatten(1)).relu()).relu()
        return (self.fc(rows), self.aux(rows)) if self.training else self.fc(rows)


def head_first():
    return HeadFirst()


def test_the_head_is_the_part_that_is_called_last_on_the_way_to_the_answers(context, build):
    step = Train(trainable=Head(), epochs=1)
    found = trained(step, Imported(head_first), context, build)
    assert found == {"body.fc.weight", "body.fc.bias"}
    assert context.notes == ["step 'train' trains the head 'fc'"]


def test_layers_join_in_the_order_in_which_they_are_called(context, build):
    network, learning = build(Imported(head_first)), []
    for _ in Train(trainable=Gradual(share=1.0), epochs=4).run(network, context):
        learning.append({n.split(".")[1] for n, p in network.named_parameters() if p.requires_grad})
    assert learning == [{"fc"}, {"fc"}, {"fc", "late"}, {"fc", "late", "early"}]


def test_a_named_head_without_a_part_in_the_answers_is_told(context, build):
    step = Train(trainable=Head(("fc", "aux")), epochs=1)
    with pytest.raises(Rejected, match=r"^'aux' plays no part in the answers, so it cannot be"):
        finish(step.run(build(Imported(head_first)), context))


def test_lora_changes_linear_weights_and_the_head_by_no_more_than_its_rank(context, build):
    network = build(NET)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    order = [name for name, _ in network.named_parameters()]
    after = finish(Train(trainable=LoRA(rank=2), epochs=2).run(network, context))
    weights = {"body.block0.linear.weight", "body.block1.linear.weight"}
    assert changed(before, after.state_dict()) == weights | {"body.head.weight", "body.head.bias"}
    for name in weights:
        assert torch.linalg.matrix_rank(after.state_dict()[name] - before[name], tol=1e-5) == 2
    assert [name for name, _ in after.named_parameters()] == order
    assert all(p.requires_grad for p in after.parameters())


def tied():
    return Tied()


def test_lora_leaves_shared_weights_alone(context, build):
    step = Train(trainable=LoRA(rank=2), epochs=1)
    found = trained(step, Imported(tied), context, build)
    assert {name for name in found if "head" not in name} == {"body.own.weight"}


@pytest.mark.parametrize("trainable", [Head(), Gradual(), LoRA(rank=2)])
@pytest.mark.parametrize("model", [NET, Transformer()], ids=["mlp", "transformer"])
def test_a_killed_training_goes_on_bit_identically(trainable, model, context, build):
    step = Train(learning_rate=Cosine(0.01), epochs=4, trainable=trainable)
    whole = finish(step.run(build(model), context))
    context.checkpoints.clear()
    killed = step.run(build(model), context)
    for _ in range(2):
        next(killed)
    killed.close()
    resumed = step.run(build(model), context)
    assert next(resumed).epoch == 3
    assert changed(whole.state_dict(), finish(resumed).state_dict()) == set()


@pytest.mark.parametrize("trainable", [Head(), Gradual(), LoRA(rank=2)])
def test_what_came_frozen_stays_frozen(trainable, context, build):
    network = build(Imported(frozen_net))
    before = network.body[1].weight.clone()
    finish(Train(trainable=trainable, epochs=2).run(network, context))
    assert torch.equal(network.body[1].weight, before)
    assert [p.requires_grad for p in network.parameters()] == [False, False, *[True] * 4]


def test_lora_then_more_steps_end_in_a_measured_file(store):
    recipe = (
        Train(epochs=2),
        Train(label="adapt", trainable=LoRA(), epochs=2),
        Quantize(),
    )
    _, result = drive(TrialConfig(DIGITS, MLP((64,)), recipe), store)
    assert (result.status, result.reason) == ("complete", "")


def test_lora_would_fill_the_zeros_of_clip(store):
    recipe = (Train(epochs=1), Clip(fraction=0.5), Train(label="adapt", trainable=LoRA()))
    _, result = drive(TrialConfig(DIGITS, NET, recipe), store)
    assert result.status == "rejected"
    assert result.reason.startswith("LoRA adds to every weight, and Clip's zeros are to stay")


def test_a_model_without_linear_layers_has_no_place_for_lora(context, build):
    step = Train(trainable=LoRA())
    with pytest.raises(Rejected, match="LoRA finds no linear layer beside the head"):
        finish(step.run(build(ConvNet((8,))), context))


def test_ranks_that_cannot_share_what_learns_are_told():
    Train(trainable=LoRA(), parallelism=DataParallel()).check(())
    with pytest.raises(UserError, match="trains LoRA, which Sharded cannot spread; take SingleD"):
        Train(trainable=LoRA(), parallelism=Sharded()).check(())
    with pytest.raises(UserError, match="trains Gradual, which DataParallel cannot spread"):
        Train(trainable=Gradual(), parallelism=DataParallel()).check(())
