"""Training as a step: one loop, a report per epoch, checkpoints that go on bit-identically."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import safetensors.torch
import torch
from torch import Tensor, nn

from automl.config import UserError
from automl.models.family import Network
from automl.recipe import Context, Report, Step
from automl.training import parallel
from automl.training.losses import CrossEntropy, Loss
from automl.training.optimizers import AdamW, Optimizer
from automl.training.parallel import Parallelism, SingleDevice
from automl.training.schedules import Cosine, Fixed, Schedule


@dataclass(frozen=True)
class Train(Step):
    """Train the model as it stands. `batch_size` counts rows over all ranks.

    A second one in a recipe is a fine-tuning: give it a label of its own.
    """

    optimizer: Optimizer = field(default_factory=AdamW)
    learning_rate: Schedule = field(default_factory=lambda: Cosine(1e-3))
    batch_size: Schedule = field(default_factory=lambda: Fixed(64))
    epochs: int = 20
    loss: Loss = field(default_factory=CrossEntropy)
    parallelism: Parallelism = field(default_factory=SingleDevice)
    compresses: ClassVar[bool] = False

    @property
    def teacher(self) -> str:
        return self.loss.teacher

    @property
    def num_workers(self) -> int:
        return self.parallelism.num_workers

    def check(self, before: tuple[Step, ...]) -> None:
        labels = [step.label for step in before]
        if self.teacher and self.teacher not in labels:
            raise UserError(
                f"step {self.label!r} distils from {self.teacher!r}, which is no step "
                f"before it; name one of: {', '.join(labels) or '(none stands before it)'}"
            )

    def run(self, model: Network, context: Context) -> Generator[Report, None, Network]:
        model = model.to(context.device)
        optimizer = self.optimizer.build(model.parameters())
        batches = _Batches(self, context)
        first_epoch = parallel.agree(_restore(context, model, optimizer))
        wrapped = self.parallelism.wrap(model)
        rank, _ = self.parallelism.share()
        for epoch in range(first_epoch, self.epochs):
            torch.manual_seed(_epoch_seed(context.seed, self.label, epoch, rank))
            loss = self._epoch(wrapped, optimizer, batches, epoch)
            self.parallelism.unwrap(model)
            accuracy = batches.validate(model)
            if parallel.rank() == 0:
                context.checkpoints.save(epoch + 1, _checkpoint(model, optimizer))
            metrics = {"loss": loss, "accuracy": accuracy}
            yield Report(self.label, epoch + 1, self.epochs, metrics)
        return model.eval()

    def _epoch(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, batches: _Batches, epoch: int
    ) -> float:
        """The mean loss over the epoch's rows. Raises ArithmeticError when it is not finite."""
        model.train()
        total, seen = 0.0, 0
        for progress, inputs, targets, taught, num_rows in batches.of_epoch(epoch):
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate.at(progress)
            loss = self.loss(model(inputs), targets, taught)
            optimizer.zero_grad(set_to_none=True)
            (loss * self.parallelism.share()[1] / num_rows).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total, seen = total + loss.item(), seen + len(targets)
        if not math.isfinite(total):
            raise ArithmeticError(
                f"the loss of step {self.label!r} is {total} at epoch {epoch + 1}: it diverged"
            )
        return total / seen


class _Batches:
    """A trial's rows on its device, in the order that seed, step and epoch alone decide."""

    def __init__(self, step: Train, context: Context) -> None:
        data, self.step, self.seed = context.data, step, context.seed
        self.inputs, self.targets = _tensors(data.train, data, context.device)
        self.validation = _tensors(data.validation, data, context.device)
        self.taught: Tensor | None = None
        if step.teacher:
            teacher = context.teacher(step.teacher).to(context.device)
            self.taught = predict(teacher, self.inputs)

    def of_epoch(self, epoch: int) -> Iterator[tuple[float, Tensor, Tensor, Tensor | None, int]]:
        """Progress, this rank's inputs, targets and teacher's logits, rows over all ranks."""
        count = len(self.targets)
        seed = _epoch_seed(self.seed, self.step.label, epoch)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        (rank, ranks), start = self.step.parallelism.share(), 0
        while start < count:
            progress = (epoch + start / count) / self.step.epochs
            size = max(1, round(self.step.batch_size.at(progress)))
            # A last batch too small for batch statistics on every rank joins the one before.
            end = count if count - start - size < 2 * ranks else start + size
            rows = order[start:end][rank::ranks]
            taught = None if self.taught is None else self.taught[rows]
            yield progress, self.inputs[rows], self.targets[rows], taught, end - start
            start = end

    def validate(self, model: Network) -> float:
        inputs, targets = self.validation
        return (predict(model, inputs).argmax(1) == targets).float().mean().item()


def predict(model: nn.Module, inputs: Tensor, batch_size: int = 1024) -> Tensor:
    """Outputs in evaluation mode, without gradients."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(batch) for batch in torch.split(inputs, batch_size)]).clone()


def normalise(inputs: Any, data: Any) -> Tensor:
    """Raw rows as a model sees them: shaped, mean 0 and deviation 1."""
    scaled = (torch.from_numpy(inputs) - torch.from_numpy(data.mean)) / torch.from_numpy(data.std)
    return scaled.reshape(-1, *data.input_shape)


def _tensors(split: Any, data: Any, device: str) -> tuple[Tensor, Tensor]:
    return normalise(split.inputs, data).to(device), torch.from_numpy(split.targets).to(device)


def _epoch_seed(seed: int, *parts: object) -> int:
    digest = hashlib.sha256(json.dumps([seed, *parts]).encode()).digest()
    return int.from_bytes(digest[:7], "big")


def _checkpoint(model: Network, optimizer: torch.optim.Optimizer) -> dict[str, bytes]:
    """Weights and optimizer state; every random number follows from seed and epoch."""
    tensors, numbers = {}, {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value.contiguous()
            else:
                numbers[f"{index}.{name}"] = value
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    return {
        "weights.safetensors": safetensors.torch.save(weights),
        "optimizer.safetensors": safetensors.torch.save(tensors),
        "optimizer.json": json.dumps(numbers).encode(),
    }


def _restore(context: Context, model: Network, optimizer: torch.optim.Optimizer) -> int:
    """Load the latest checkpoint, if there is one; returns the number of epochs done."""
    found = context.checkpoints.load()
    if found is None:
        return 0
    epoch, files = found
    model.load_state_dict(safetensors.torch.load(files["weights.safetensors"]))
    values = {
        **safetensors.torch.load(files["optimizer.safetensors"]),
        **json.loads(files["optimizer.json"]),
    }
    state: dict[int, dict[str, Any]] = {}
    for key, value in values.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return epoch
