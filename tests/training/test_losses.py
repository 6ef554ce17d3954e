import torch
from torch.nn import functional as F

from automl.training.losses import CrossEntropy, Distill

logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.2, 0.1]])
targets = torch.tensor([0, 2])


def test_cross_entropy_is_the_sum_over_the_batch():
    expected = -(logits.log_softmax(1)[[0, 1], targets]).sum()
    assert torch.allclose(CrossEntropy()(logits, targets, None), expected)


def test_distillation_weighs_softened_divergence_and_labels():
    taught = torch.tensor([[3.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    p, q = (taught / 2).softmax(1), (logits / 2).softmax(1)
    divergence = (p * (p.log() - q.log())).sum()
    expected = 0.6 * 4 * divergence + 0.4 * F.cross_entropy(logits, targets, reduction="sum")
    loss = Distill(temperature=2.0, weight=0.6)(logits, targets, taught)
    assert torch.allclose(loss, expected)


def test_a_student_that_agrees_with_its_teacher_has_nothing_to_learn():
    assert Distill(weight=1.0)(logits, targets, logits).abs() < 1e-6
