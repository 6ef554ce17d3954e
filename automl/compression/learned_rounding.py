"""Rounding of what a layer reads while it trains, to steps whose size is learned with the weights.

https://arxiv.org/abs/1902.08153
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable


class LearnedRounding(nn.Module):
    """Rounds values of any shape, and learns the logarithm of the size of its steps."""

    zero_point: Tensor

    def __init__(self, bits: int, learns: bool) -> None:
        super().__init__()
        self.bits, self.steps, self.rounds = bits, 2**bits - 1, True
        self.log_scale = nn.Parameter(torch.zeros(()), requires_grad=learns)
        self.register_buffer("zero_point", torch.zeros((), dtype=torch.uint8))

    def forward(self, values: Tensor) -> Tensor:
        if not self.rounds:
            return values
        # Without rows, too, what was rounded gives a gradient, as a parallel training needs.
        share = (max(1, values.shape[1:].numel()) * self.steps) ** -0.5
        scale = scaled_gradient(self.log_scale, share).exp()
        low = -self.zero_point.float()
        rounded: Tensor = _Rounded.apply(values, scale, low, low + self.steps)  # type: ignore[no-untyped-call]
        return rounded

    def fit(self, scale: float, zero_point: int) -> None:
        """Take the grid that was calibrated."""
        self.log_scale.data.fill_(torch.tensor(scale).log())
        self.zero_point.fill_(zero_point)


class _Rounded(torch.autograd.Function):
    """Values on the steps from `low` to `high`, each of the size `scale`.

    The gradient passes the rounding, but not the clipping of values beyond the steps. Written by
    hand: a training step of a small convolutional network takes a quarter less time by it than by
    autograd, which keeps and passes over more tensors of this size.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, values: Tensor, scale: Tensor, low: Tensor, high: Tensor
    ) -> Tensor:
        # Not `values` are kept: a module may change them in place, as `x += f(x)` does.
        scaled = values / scale
        rounded = scaled.clamp(low, high).round_().mul_(scale)
        ctx.save_for_backward(scaled, rounded, scale, low, high)
        return rounded

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        scaled, rounded, scale, low, high = ctx.saved_tensors  # type: ignore[attr-defined]
        passed = torch.where((scaled >= low) & (scaled <= high), gradient, 0)
        if not ctx.needs_input_grad[1]:  # type: ignore[attr-defined]
            return passed, None, None, None
        by_steps = (gradient * rounded).sum(dtype=torch.float32) / scale
        return passed, by_steps - (passed * scaled).sum(dtype=torch.float32), None, None


def scaled_gradient(values: Tensor, share: float) -> Tensor:
    """`values`, whose gradient is made smaller to a share of it."""
    return values * share + (values * (1 - share)).detach()
