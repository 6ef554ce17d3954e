"""Training as a step: one loop, a report per epoch, checkpoints that go on bit-identically."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from automl.data.dataset import DatasetInfo
from automl.errors import Rejected, UserError
from automl.field_types import Above0To1, NotNegative
from automl.models.family import Network
from automl.models.possible_network import PossibleNetwork
from automl.recipe import STATISTICS_ROWS, Context, Report, Sibling, Step
from automl.training import parallel
from automl.training.augmentation import Augmentation
from automl.training.averaging import Average, Averaging
from automl.training.batch_norm import keep_own_statistics
from automl.training.batches import MAX_ROWS_AT_ONCE, NO_MIXUP, Batches, Plan, epoch_seed
from automl.training.compiled import compiled
from automl.training.distillation import misfit, other_units
from automl.training.learner import Learner, goes_on
from automl.training.losses import Loss, Outputs, check_adds_up, usual
from automl.training.memory_format import formatted
from automl.training.optimizers import AdamW, Optimizer, clip_gradients, keep_zeros
from automl.training.parallel import Parallelism, SingleDevice, Trainee
from automl.training.precision import PRECISIONS, answers, fast_and_repeatable, gradient_scaler
from automl.training.rows_at_once import RowsAtOnce, largest_part
from automl.training.schedules import Cosine, Fixed, Schedule, Warmup
from automl.training.train_checks import (
    check_augmentations,
    check_choice,
    check_course,
    check_scales_gradients,
    check_teacher,
)
from automl.training.trainable import Everything, Trainable
from automl.training.training_state import checkpoint, restore
from automl.training.validation import Validation

BATCH_SCALING = {"none": 0.0, "sqrt": 0.5, "linear": 1.0}


@dataclass(frozen=True)
class Train(Step):
    """Train the model as it stands. A second `Train` in a recipe is a fine-tuning: label it.

    Where no `learning_rate` is given, it is a warmed-up cosine from the optimizer's usual rate;
    where no `loss` is given, the task's own. `batch_size` counts rows over all ranks. With
    `batch_scaling` "linear" or "sqrt" the learning rate holds for the first batch, and grows with
    the batch or its root. `mixup` is the alpha of https://arxiv.org/abs/1710.09412, 0 for none, or
    its course, such as `Ramp(0.0, 0.4)`.
    `precision` is "fp32" (in TF32 where a device has it), or "bf16" or "fp16" by autocast, fp16
    with scaled gradients; a teacher answers in it, too. `trainable` is what learns. With a
    `row_share` below 1 an epoch is over that share of the training rows. A batch that does not fit
    a device's memory is learned from in parts. With an `average` the mean of the weights on the
    way is validated and handed on. Above 0, `clip_gradient_norm` is the most that the norm of all
    gradients together may be.
    """

    optimizer: Optimizer = field(default_factory=AdamW)
    learning_rate: Schedule | None = None
    batch_size: Schedule = field(default_factory=lambda: Fixed(64))
    epochs: int = 20
    loss: Loss | None = None
    augmentations: tuple[Augmentation | None, ...] = ()
    mixup: NotNegative | Schedule = 0.0
    batch_scaling: str = "none"
    precision: str = "fp32"
    channels_last: bool = False
    compile: bool = False
    parallelism: Parallelism = field(default_factory=SingleDevice)
    trainable: Trainable = field(default_factory=Everything)
    row_share: Above0To1 = 1.0
    average: Average | None = None
    clip_gradient_norm: NotNegative = 0.0
    compresses: ClassVar[bool] = False
    later_fields: ClassVar[Mapping[str, object]] = {"average": None, "clip_gradient_norm": 0.0}

    @property
    def teacher(self) -> str | Sibling:
        return self.loss.teacher if self.loss else ""

    @property
    def num_workers(self) -> int:
        return self.parallelism.num_workers

    def after(self, network: PossibleNetwork) -> list[PossibleNetwork]:
        return [network.trained()]

    def work(self, before: float, after: float, teacher: float, num_rows: int) -> float:
        statistics = STATISTICS_ROWS * before if self.compresses else 0.0
        beside = self.loss.work_beside() if self.loss else 0.0
        passes = self.trainable.passes * (1 + beside) * after
        return statistics + self.epochs * self.row_share * num_rows * (passes + teacher)

    def shortest(self) -> Step:
        return replace(self, epochs=min(1, self.epochs), parallelism=SingleDevice())

    def shortened(self, share: float) -> Step:
        if not self.epochs:
            return self
        epochs = share * self.epochs
        row_share = self.row_share * min(1.0, epochs)
        return replace(self, epochs=max(1, int(epochs)), row_share=row_share)

    def without_each_technique(self) -> dict[str, Step]:
        technique = self.loss.technique if self.loss else ""
        plainer: dict[str, Step] = {technique: replace(self, loss=None)} if technique else {}
        return plainer | ({"average": replace(self, average=None)} if self.average else {})

    def check(self, before: tuple[Step, ...]) -> None:
        self._check_numbers()
        self.trainable.check(self.label, self.parallelism)
        check_teacher(self.label, self.teacher, [step.label for step in before])
        check_choice(self.label, "precision", self.precision, PRECISIONS)
        check_choice(self.label, "batch_scaling", self.batch_scaling, BATCH_SCALING)
        if self.precision == "fp16":
            check_scales_gradients(self.label, self.parallelism)

    def _check_numbers(self) -> None:
        if self.epochs < 1:
            raise UserError(
                f"epochs of step {self.label!r} is {self.epochs}; it must be at least 1, "
                "and a recipe without the step leaves the model as it is"
            )
        check_course(self.label, "batch_size", self.batch_size, 1)
        check_course(self.label, "learning_rate", self.learning_rate, 0)
        check_course(self.label, "mixup", self._mixup(), 0)

    def check_data(self, info: DatasetInfo) -> None:
        if self.loss is not None:
            self.loss.check(info)
            check_adds_up(self.loss, info)
        check_augmentations(self.label, self._augmentations(), self._mixup() != NO_MIXUP, info)

    def run(self, model: Network, context: Context) -> Generator[Report, None, Network]:
        if not goes_on(context, 0.0):
            return model.eval()
        torch.manual_seed(epoch_seed(context.seed, self.label))
        faster = fast_and_repeatable(context.device)
        with self.trainable.chosen(model, self.label, context) as begin_epoch, faster:
            return (yield from self._run(model, context, begin_epoch))

    def _run(
        self, model: Network, context: Context, begin_epoch: Callable[[float], None]
    ) -> Generator[Report, None, Network]:
        info, config = context.data.info, self.loss or usual(context.data.info)
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise Rejected(f"{self}: nothing of the model is left to train; put it further ahead")
        module = config.around(model.cpu(), info).to(context.device)
        module = self._formatted(module, torch.channels_last)

        def train(done: float) -> None:
            module.train()
            begin_epoch(done)

        averaging = Averaging(self.average, module, model, context, train)
        build = partial(self._built, averaging)

        def state() -> dict[str, bytes]:
            return checkpoint(module, optimizer, scaler, at_once.most)

        optimizer, loss = build(module), config.build(info, context.device)
        batches, validation = self._batches(model, context), Validation(model, context)
        scaler = gradient_scaler(self.precision, context.device)
        first_epoch, most = parallel.agree(restore(context.checkpoints, module, optimizer, scaler))
        at_once = RowsAtOnce(module, loss, self._outputs, most or MAX_ROWS_AT_ONCE)
        plan = at_once.with_rows_for_norms(self._plan(context), batches)
        called = self._called(at_once, batches, plan, context)
        if first_epoch:
            averaging.begin_epoch(first_epoch - 1, self.epochs)
        own = module, called, optimizer, build, self._outputs, scaler, at_once.all_learn
        spread = self.parallelism.spread(Trainee(*own))
        learner = Learner(spread, at_once, batches, plan, averaging, begin_epoch, context)
        try:
            yield from self._epochs(learner, validation, state, first_epoch)
        finally:
            spread.close()
            context.notes.extend(at_once.notes(self.label))
        keep_own_statistics(module)
        averaging.put(optimizer)
        self._formatted(model, torch.contiguous_format)
        return model.eval()

    def _epochs(
        self,
        learner: Learner,
        validation: Validation,
        state: Callable[[], dict[str, bytes]],
        first_epoch: int,
    ) -> Iterator[Report]:
        """Learn for the epochs that are left; after each the `state` is saved, then reported on."""
        for epoch in range(first_epoch, self.epochs):
            mean_loss = self._epoch(learner, epoch)
            if mean_loss is None:
                return
            with learner.averaging.in_place(learner.spread.trainee.optimizer):
                figures = {**validation.metrics(), **learner.spread.figures()}
            batches = learner.plan.num_batches(epoch + 1, len(learner.batches))
            told = {"loss": mean_loss, **figures}
            report = Report(self.label, epoch + 1, self.epochs, told, batches=batches)
            if parallel.rank() == 0:
                learner.context.checkpoints.save(report, state)
            yield report

    def _built(self, averaging: Averaging, learning: nn.Module) -> torch.optim.Optimizer:
        optimizer = self.optimizer.build(learning.parameters())
        if self.clip_gradient_norm:
            clip_gradients(optimizer, self.clip_gradient_norm, self.parallelism.over_ranks)
        if averaging.model.spec.keeps_zeros:
            keep_zeros(learning, optimizer)
        averaging.follow(optimizer)
        return optimizer

    def _epoch(self, learner: Learner, epoch: int) -> float | None:
        """The mean loss over an epoch's rows; None where the time was up before its end.

        Raises ArithmeticError when the loss is not finite.
        """
        done = epoch / self.epochs
        if not goes_on(learner.context, done):
            return None
        rank, _ = self.parallelism.share()
        torch.manual_seed(epoch_seed(learner.context.seed, self.label, epoch, rank))
        learner.spread.module.train()
        learner.begin_epoch(done)
        learner.averaging.begin_epoch(epoch, self.epochs)
        mean_loss = learner.learn(epoch, self._rates())
        if mean_loss is not None and not math.isfinite(mean_loss):
            raise ArithmeticError(
                f"the loss of step {self.label!r} is {mean_loss} at epoch {epoch + 1}: it diverged"
            )
        learner.spread.gather()
        return mean_loss

    def _rates(self) -> Callable[[float], float]:
        """The learning rate, as a function of the share of the training that is done."""
        schedule = self.learning_rate or Warmup(Cosine(self.optimizer.usual_learning_rate))
        scaling, first_size = BATCH_SCALING[self.batch_scaling], self.batch_size.at(0.0)
        return lambda done: schedule.at(done) * (self.batch_size.at(done) / first_size) ** scaling

    def _outputs(self, model: nn.Module, inputs: Tensor) -> Outputs:
        """The outputs for inputs (rows, *input shape), as fp32."""
        if self.channels_last and inputs.ndim == 4:
            inputs = inputs.to(memory_format=torch.channels_last)
        return answers(model, inputs, self.precision)

    def _plan(self, context: Context) -> Plan:
        order = context.seed, self.label, self.epochs, self.batch_size
        share = self.parallelism.share()
        return Plan(*order, self.optimizer.full_batch, share, self.row_share)

    def _batches(self, model: Network, context: Context) -> Batches:
        changes = self._augmentations(), self._mixup()
        batches = Batches(context.data, model.spec.model, *changes, context.device)
        if self.teacher:
            teacher = context.teacher(self.teacher)
            units = other_units(teacher.spec.model, model.spec.model, context.data.info)
            if problem := misfit(teacher) or units:
                raise Rejected(f"step {self.label!r}: {problem}")
            self._formatted(teacher, torch.channels_last)
            batches.learn_from(teacher, self._outputs, all_at_once=self.row_share == 1)
        return batches

    def _augmentations(self) -> tuple[Augmentation, ...]:
        return tuple(a for a in self.augmentations if a is not None)

    def _mixup(self) -> Schedule:
        return self.mixup if isinstance(self.mixup, Schedule) else Fixed(self.mixup)

    def _formatted(self, model: nn.Module, memory_format: torch.memory_format) -> nn.Module:
        return formatted(model, memory_format) if self.channels_last else model

    def _called(
        self, at_once: RowsAtOnce, batches: Batches, plan: Plan, context: Context
    ) -> nn.Module:
        """The module as it is called, prepared for its ranks, and compiled where it shall be."""
        is_alone = self.parallelism.may_repeat and parallel.world_size() == 1
        if not is_alone:
            at_once.rehearse(largest_part(plan, batches))
        self.parallelism.prepare(at_once.module)
        if not self.compile:
            return at_once.module
        name, reason, called = type(self.parallelism).__name__, "", at_once.module
        if not self.parallelism.takes_compiled:
            reason = f"{name} spreads it as it is"
        else:
            graphs = is_alone and isinstance(self.batch_size, Fixed) and batches.are_whole(plan)
            called, reason = compiled(at_once, largest_part(plan, batches), graphs)
        if reason:
            context.notes.append(f"step {self.label!r} is not compiled: {reason}")
        return called
