"""Optimizers: thin frozen configs over torch's own; the learning rate comes from a schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NotRequired, Protocol, TypedDict

import torch
from torch import Tensor, nn

from automl.config import Config
from automl.field_types import Between0And1, From0Below1, NotNegative
from automl.models.family import Network

FUSED = ("cuda", "xpu", "mps")
"""Devices for which torch has one kernel for all parameters of these optimizers."""
ONE_KERNEL = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)


class Group(TypedDict):
    """Parameters that an optimizer treats alike."""

    params: list[nn.Parameter]
    weight_decay: NotRequired[float]


class Optimizer(Config):
    """Base of the configs that build a torch optimizer; subclass it to add another.

    `usual_learning_rate` is the peak of a `Train` that names no learning rate. With `full_batch`
    every step takes all rows, whatever the batch size. Weight decay spares norms and biases, which
    have fewer than two dimensions, unless `decay_all`.
    """

    usual_learning_rate: ClassVar[float] = 1e-3
    full_batch: ClassVar[bool] = False
    later_fields: ClassVar[Mapping[str, object]] = {"decay_all": True}

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer of these parameters; every step sets its learning rate."""
        raise NotImplementedError


@dataclass(frozen=True)
class GradientDescent(Optimizer):
    """Plain gradient descent: one step per epoch, on all rows."""

    usual_learning_rate: ClassVar[float] = 0.3
    full_batch: ClassVar[bool] = True

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return _on_device(torch.optim.SGD, [{"params": list(parameters)}])


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent without momentum; with it: `Momentum`, `Nesterov`."""

    weight_decay: NotNegative = 0.0
    decay_all: bool = False
    usual_learning_rate: ClassVar[float] = 0.1

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return _on_device(torch.optim.SGD, _groups(self, parameters))


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Stochastic gradient descent with momentum."""

    momentum: From0Below1 = 0.9
    weight_decay: NotNegative = 0.0
    decay_all: bool = False
    usual_learning_rate: ClassVar[float] = 0.02

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return _on_device(torch.optim.SGD, _groups(self, parameters), momentum=self.momentum)


@dataclass(frozen=True)
class Nesterov(Optimizer):
    """Stochastic gradient descent with Nesterov's momentum."""

    momentum: Between0And1 = 0.9
    weight_decay: NotNegative = 0.0
    decay_all: bool = False
    usual_learning_rate: ClassVar[float] = 0.02

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        settings = {"momentum": self.momentum, "nesterov": True}
        return _on_device(torch.optim.SGD, _groups(self, parameters), **settings)


@dataclass(frozen=True)
class Adam(Optimizer):
    """`weight_decay` is added to the gradient; `AdamW` applies it to the weights."""

    beta1: From0Below1 = 0.9
    beta2: From0Below1 = 0.999
    weight_decay: NotNegative = 0.0
    decay_all: bool = False

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        betas = self.beta1, self.beta2
        return _on_device(torch.optim.Adam, _groups(self, parameters), betas=betas)


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam whose weight decay is applied to the weights (https://arxiv.org/abs/1711.05101)."""

    beta1: From0Below1 = 0.9
    beta2: From0Below1 = 0.999
    weight_decay: NotNegative = 0.01
    decay_all: bool = False

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        betas = self.beta1, self.beta2
        return _on_device(torch.optim.AdamW, _groups(self, parameters), betas=betas)


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients so far."""

    weight_decay: NotNegative = 0.0
    decay_all: bool = False
    usual_learning_rate: ClassVar[float] = 0.02

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return _on_device(torch.optim.Adagrad, _groups(self, parameters))


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Steps divided by the root of a moving average of squared gradients."""

    alpha: From0Below1 = 0.99
    momentum: From0Below1 = 0.0
    weight_decay: NotNegative = 0.0
    decay_all: bool = False

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        settings = {"alpha": self.alpha, "momentum": self.momentum}
        return _on_device(torch.optim.RMSprop, _groups(self, parameters), **settings)


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """Adadelta, which finds its step itself: the learning rate is a factor on it, about 1."""

    rho: From0Below1 = 0.9
    weight_decay: NotNegative = 0.0
    decay_all: bool = False
    usual_learning_rate: ClassVar[float] = 1.0

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return _on_device(torch.optim.Adadelta, _groups(self, parameters), rho=self.rho)


@dataclass(frozen=True)
class Muon(Optimizer):
    """Orthogonalised momentum for matrices, AdamW for all else, convolutions included.

    Steps are scaled to AdamW's size, so that one learning rate serves both.
    https://kellerjordan.github.io/posts/muon/
    """

    momentum: From0Below1 = 0.95
    weight_decay: NotNegative = 0.01
    decay_all: bool = False
    usual_learning_rate: ClassVar[float] = 5e-3

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        matrices: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for parameter in parameters:
            (matrices if parameter.ndim == 2 else others).append(parameter)
        parts: list[torch.optim.Optimizer] = []
        if matrices:
            parts.append(
                torch.optim.Muon(
                    matrices,
                    momentum=self.momentum,
                    weight_decay=self.weight_decay,
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        if others:
            parts.append(_on_device(torch.optim.AdamW, _groups(self, others)))
        return _Together(parts)


def keep_zeros(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Have weights (not biases or norms) that are zero now stay zero after every step: those of
    the model in a module that is trained, or of the module where it holds no whole model.

    A tensor that is zero throughout learns: some begin so, and Clip leaves none so.
    """
    model = next((part for part in module.modules() if isinstance(part, Network)), module)
    masks = [(p, p.detach() != 0) for p in model.parameters() if p.ndim > 1]
    kept = [(parameter, mask | ~mask.any()) for parameter, mask in masks]

    def clear(*_: object) -> None:
        with torch.no_grad():
            for parameter, mask in kept:
                parameter.mul_(mask)

    optimizer.register_step_post_hook(clear)


def clip_gradients(
    optimizer: torch.optim.Optimizer, most: float, over_ranks: Callable[[Tensor], Tensor]
) -> None:
    """Have all gradients together shortened to a norm of at most `most` before every step.

    `over_ranks` adds up squares, of shape (), over ranks whose optimizers move other weights.
    https://arxiv.org/abs/1211.5063
    """

    @torch.no_grad()
    def shorten(*_: object) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        norms = [_whole(torch.linalg.vector_norm(gradient)) for gradient in gradients]
        norm = over_ranks((torch.stack(norms) ** 2).sum()).sqrt()
        factor = (most / (norm + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factor)

    optimizer.register_step_pre_hook(shorten)


def _whole(norm: Tensor) -> Tensor:
    """The norm, of shape (), of a gradient that may be in pieces, as DTensor."""
    whole: Tensor = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
    return whole


class _Decaying(Protocol):
    """An optimizer's config that has weight decay."""

    @property
    def weight_decay(self) -> float: ...

    @property
    def decay_all(self) -> bool: ...


def _groups(config: _Decaying, parameters: Iterable[nn.Parameter]) -> list[Group]:
    """Parameters in a group that decays and one that is spared, if there are any of each."""
    every = list(parameters)
    spared = [] if config.decay_all else [p for p in every if p.ndim < 2]
    decayed = every if config.decay_all else [p for p in every if p.ndim >= 2]
    both = (decayed, config.weight_decay), (spared, 0.0)
    return [{"params": own, "weight_decay": decay} for own, decay in both if own]


def _on_device(
    kind: Callable[..., torch.optim.Optimizer], groups: Sequence[Group], **settings: object
) -> torch.optim.Optimizer:
    """An optimizer that moves all parameters in one kernel, where their device has such.

    The processor has one, too, which rounds otherwise than the plain one and is not taken;
    parameters in pieces, as DTensor, have none with those that are whole. SGD's is not taken with
    momentum: after a first step whose gradients overflow, as in fp16, the momentum is memory that
    nobody has written to; and a weight whose first gradient comes later is an error.
    """
    own = [parameter for group in groups for parameter in group["params"]]
    has_kernel = kind in ONE_KERNEL and not settings.get("momentum")
    is_fused = has_kernel and all(type(p) is nn.Parameter and p.device.type in FUSED for p in own)
    return kind(groups, **settings, **({"fused": True} if own and is_fused else {}))


class _Together(torch.optim.Optimizer):
    """Several optimizers, each with parameters of its own, called as a single optimizer."""

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        self.parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share()

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for part in self.parts:
            part.step()

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Have the parts work on this optimizer's groups and state."""
        groups = iter(self.param_groups)
        for part in self.parts:
            part.param_groups = [next(groups) for _ in part.param_groups]
            part.state = self.state
