import pytest
import torch

from automl.compression.learned_rounding import LearnedRounding


def straight_through(rounding, values):
    """What is learned, written down for autograd."""
    share = (values[0].numel() * rounding.steps) ** -0.5
    log_scale = rounding.log_scale * share + (rounding.log_scale * (1 - share)).detach()
    scale, zero_point = log_scale.exp(), rounding.zero_point.float()
    shifted = (values / scale + zero_point).clamp(0, rounding.steps)
    return (shifted + (shifted.round() - shifted).detach() - zero_point) * scale


def gradients(function, rounding, values, weight):
    rounding.log_scale.grad = None
    leaf = values.clone().requires_grad_()
    rounded = function(rounding, leaf)
    (rounded * weight).sum().backward()
    return rounded.detach(), leaf.grad, rounding.log_scale.grad


@pytest.mark.parametrize(("bits", "scale", "zero_point"), [(8, 0.01, 85), (4, 0.2, 0), (2, 1.0, 1)])
def test_gradients_pass_the_rounding_but_not_the_clipping(bits, scale, zero_point):
    torch.manual_seed(0)
    rounding = LearnedRounding(bits, learns=True)
    rounding.fit(scale, zero_point)
    values, weight = torch.randn(2, 64, 8, 5, 5)
    ours = gradients(LearnedRounding.forward, rounding, values, weight)
    written = gradients(straight_through, rounding, values, weight)
    for own, other in zip(ours, written, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)


def test_a_module_may_change_what_was_rounded_in_place():
    rounding = LearnedRounding(8, learns=True)
    values = 2 * torch.ones(4, 3, requires_grad=True)
    rounded = rounding(values)
    values += 1
    (rounded.sum() + values.sum()).backward()
    assert rounding.log_scale.grad is not None


@pytest.mark.parametrize("shape", [(0, 4), (3, 0, 4), (0,)])
def test_no_rows_are_rounded_to_none_and_give_a_gradient_of_0(shape):
    rounding = LearnedRounding(8, learns=True)
    rounded = rounding(torch.zeros(shape, requires_grad=True))
    rounded.sum().backward()
    assert rounded.shape == shape and rounding.log_scale.grad == 0
