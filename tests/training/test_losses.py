from dataclasses import dataclass, replace

import pytest
import torch
from helpers.trials import DIGITS, load
from torch.nn import functional as F

from automl import config_checks
from automl.data.linear_map import LinearMap
from automl.errors import UserError
from automl.training.distillation import Distill
from automl.training.loop import Train
from automl.training.losses import CrossEntropy, Loss, MeanSquaredError, usual

logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.2, 0.1]])
targets = torch.tensor([0, 2])


def test_cross_entropy_is_the_sum_over_the_batch():
    expected = -(logits.log_softmax(1)[[0, 1], targets]).sum()
    assert torch.allclose(CrossEntropy()(logits, targets, None), expected)


def test_smoothed_labels_give_every_class_a_share():
    shares = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    expected = -(shares * logits.log_softmax(1)).sum()
    assert torch.allclose(CrossEntropy(label_smoothing=0.3)(logits, targets, None), expected)


def test_balanced_classes_weigh_the_inverse_of_how_often_they_appear():
    info = replace(load(DIGITS).info, class_counts=(30, 20, 10))
    losses = -(logits.log_softmax(1)[[0, 1], targets])
    expected = losses @ torch.tensor([60 / 3 / 30, 60 / 3 / 10])
    balanced = CrossEntropy(balanced=True).build(info, "cpu")
    assert torch.allclose(balanced(logits, targets, None), expected)


def test_squared_errors_are_averaged_over_outputs_and_summed_over_rows():
    loss = MeanSquaredError()(torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.zeros(2, 2), None)
    assert loss == 2.5


def test_a_loss_refuses_the_other_task():
    classes, numbers = load(DIGITS).info, load(LinearMap()).info
    with pytest.raises(UserError, match=r"for classes use CrossEntropy\(\)"):
        MeanSquaredError().check(classes)
    with pytest.raises(UserError, match=r"for a regression use MeanSquaredError\(\)"):
        CrossEntropy().check(numbers)
    assert usual(classes) == CrossEntropy()
    assert usual(numbers) == MeanSquaredError()


@dataclass(frozen=True)
class Own(Loss):
    reduction: str = "sum"

    def __call__(self, outputs, targets, taught):
        first = targets.float().view(len(outputs), -1)[:, 0]
        return F.huber_loss(outputs[:, 0], first, reduction=self.reduction)


@pytest.mark.parametrize("data", [DIGITS, LinearMap()], ids=str)
def test_a_mean_over_rows_is_refused_before_anything_runs(data):
    info = load(data).info
    Train(loss=Own()).check_data(info)
    with pytest.raises(UserError, match=r"the loss Own is a mean over rows: .*reduction='sum'"):
        Train(loss=Own("mean")).check_data(info)


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (CrossEntropy(label_smoothing=1), "label_smoothing must be at least 0 and below 1"),
        (CrossEntropy(label_smoothing=-0.1), "label_smoothing must be at least 0 and below 1"),
        (Distill(temperature=0), "temperature must be above 0"),
        (Distill(temperature=float("nan")), "temperature must be above 0"),
        (Distill(weight=-0.1), "weight must be from 0 to 1"),
        (Distill(weight=1.1), "weight must be from 0 to 1"),
    ],
)
def test_a_number_out_of_its_range_is_told(loss, sentence):
    with pytest.raises(UserError, match=sentence):
        config_checks.check(loss)


def test_numbers_at_the_ends_of_their_ranges_pass():
    for loss in (CrossEntropy(0.99), Distill(weight=0), Distill(weight=1), Distill(temperature=9)):
        config_checks.check(loss)
