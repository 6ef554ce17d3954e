"""Structured pruning: the same family, narrower, its weights sliced across.

In rounds with training between them: https://arxiv.org/abs/1506.02626
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from automl.compression.cut_units import check_order, cut, refuse_changed
from automl.compression.kept_widths import (
    SCOPES,
    Width,
    kept_width,
    least_width,
    measured_widths,
    strongest,
)
from automl.compression.layer_sensitivity import (
    Candidate,
    Options,
    measured_once,
    measuring_rows,
    refreshed,
)
from automl.compression.plain_weights import MadePlain, plain
from automl.compression.proven_widths import Widths, narrowed, outcomes, proof_rows, widths_of
from automl.compression.traced_widths import Resized
from automl.compression.training_rounds import Round, latest_round, train_round
from automl.compression.unit_scores import SCORES
from automl.data.dataset import DatasetInfo
from automl.errors import Rejected, UserError, unknown
from automl.models.family import Group, Network, count_parameters
from automl.models.imported import Imported
from automl.models.possible_network import PossibleNetwork
from automl.models.residual_blocks import Bypassed
from automl.models.weights import check_names
from automl.recipe import PASSES, Context, Report, Sibling, Step
from automl.training.loop import Train
from automl.training.losses import Loss
from automl.training.schedules import Schedule


@dataclass(frozen=True)
class Prune(Step):
    """Remove `fraction` of every width, the units of lowest `score` first.

    `score` is "magnitude" (the norm of a unit's weights), "batch_norm" (its scales), "taylor"
    (what the loss changes without it, to first order) or "random", a control. `scope` "layer"
    cuts every width alike; "global" ranks the units of all widths together, each score against
    its width's mean; "sensitivity" takes units from where the answers change least by it, as
    measured on the model before the first cut. These two leave every width at least a quarter.
    Widths left are multiples of `multiple`, where runtimes are fast (heads and groups need not
    be). `keep` names modules or parameters whose units stay. Of a user's own module each cut is
    proven: without units it answers as with these at 0. Other widths stay, with their reasons.

    The cut is made in `rounds`, each leaving the same share of the units before it. With
    `fine_tune_epochs` each is followed by training, that many epochs for each halving of the
    number of parameters: a round that leaves a quarter of them is followed by twice as many,
    and the sum over all rounds is the same however many there are. `learning_rate` and `loss`
    are those of `Train`.
    """

    fraction: float
    multiple: int = 8
    score: str = "magnitude"
    scope: str = "layer"
    rounds: int = 1
    fine_tune_epochs: int = 0
    learning_rate: Schedule | None = None
    loss: Loss | None = None
    keep: tuple[str, ...] = ()
    cuts: ClassVar[bool] = True

    @property
    def teacher(self) -> str | Sibling:
        return self.loss.teacher if self.loss else ""

    def check(self, before: tuple[Step, ...]) -> None:
        where = f"of step {self.label!r}"
        if self.score not in SCORES:
            raise UserError(unknown(f"score {where}", self.score, [*SCORES]))
        if self.scope not in SCOPES:
            raise UserError(unknown(f"scope {where}", self.scope, [*SCOPES]))
        if not 0 < self.fraction < 1:
            raise UserError(f"{self}: fraction {self.fraction} is not between 0 and 1")
        for name, least in (("multiple", 1), ("rounds", 1), ("fine_tune_epochs", 0)):
            if getattr(self, name) < least:
                raise UserError(f"{name} {getattr(self, name)} {where} is below {least}")
        self._training(self.label, 1).check(before)
        check_order(self, before)

    def check_data(self, info: DatasetInfo) -> None:
        self._training(self.label, 1).check_data(info)

    def suits(self, network: PossibleNetwork) -> bool:
        return isinstance(network.family, Imported | None) or bool(network.groups())

    def after(self, network: PossibleNetwork) -> list[PossibleNetwork]:
        family = network.family
        if isinstance(family, Imported):
            # Which of the widths can be cut is not known: each as if it could, none more than
            # by half a multiple beyond its fraction.
            share = ((1 - self.fraction) / 2 if self.scope == "layer" else 1 / 4) ** self.rounds
            expected = network.expected_macs * (1 - self.fraction) ** 2
            return [replace(network.with_every_width(share), expected_macs=expected)]
        if family is None or not (groups := network.groups()):
            return []
        least, even = self.least_widths(groups), self.even_widths(groups)
        return network.as_family(family.with_widths(least), family.with_widths(even))

    def work(self, before: float, after: float, teacher: float, num_rows: int) -> float:
        work = super().work(before, after, teacher, num_rows)
        if before > after > 0:
            epochs = self.fine_tune_epochs * math.log2(before / after)
            work += epochs * num_rows * (PASSES * (before + after) / 2 + teacher)
        return work

    def shortest(self) -> Step:
        return replace(self, fine_tune_epochs=min(1, self.fine_tune_epochs))

    def shortened(self, share: float) -> Step:
        epochs = self.fine_tune_epochs
        return replace(self, fine_tune_epochs=max(1, int(share * epochs))) if epochs else self

    def without_each_technique(self) -> dict[str, Step]:
        plainer: dict[str, Step] = {}
        if self.loss is not None and self.loss.technique:
            plainer[self.loss.technique] = replace(self, loss=None)
        if self.fine_tune_epochs:
            plainer["fine-tuning"] = replace(self, fine_tune_epochs=0)
        return plainer

    def apply(self, network: Network, context: Context) -> Network:
        """Every cut, without training between them."""
        network = plain(network.to(context.device).eval(), context)
        widths, smaller = self._widths(network, context), network
        losses = self._losses(network, widths, context)
        for number in range(self.rounds):
            smaller = self._narrower(smaller, widths, losses, number, context)
        return self._shrunk(smaller, network, widths, context)

    def run(self, network: Network, context: Context) -> Generator[Report, None, Network]:
        if not self.fine_tune_epochs:
            return self.apply(network, context)
        network = plain(network.to(context.device).eval(), context)
        widths, smaller = self._widths(network, context), network
        losses = self._losses(network, widths, context)
        first, done, planned = 0, 0, self._epochs(network, self._evenly_cut(network, widths))
        begun = latest_round(context.checkpoints)
        if begun is not None:
            first, done, smaller = begun.number, begun.before, Network(begun.spec)
        for number in range(first, self.rounds):
            if begun is None or number > first:
                smaller = self._narrower(smaller, widths, losses, number, context)
            end = self._epochs(network, smaller)
            if end > done:
                epochs = end if number == self.rounds - 1 else max(end, planned)
                this = Round(number, done, smaller.spec)
                step = self._training(f"{self.label}_{number}", end - done)
                smaller = yield from train_round(step, smaller, context, this, self.label, epochs)
            done = end
        return self._shrunk(smaller, network, widths, context)

    def even_widths(self, groups: Sequence[Group]) -> tuple[int, ...]:
        """The units of each width that stay where all are cut alike, as scope "layer" does."""
        return tuple(
            group.size
            if self._stays(group)
            else kept_width(group.size, self.fraction, self._multiple(group))
            for group in groups
        )

    def least_widths(self, groups: Sequence[Group]) -> tuple[int, ...]:
        """The least number of units of each width that stay, whatever their scores."""
        if self.scope == "layer":
            return self.even_widths(groups)
        return tuple(
            group.size if self._stays(group) else least_width(group.size, self._multiple(group))
            for group in groups
        )

    def _widths(self, network: Network, context: Context) -> Widths:
        """The widths of a network. Raises Rejected where there is nothing to cut."""
        if not 0 < self.fraction < 1:
            raise Rejected(f"Prune: fraction {self.fraction} is not between 0 and 1")
        refuse_changed("Prune", network, Resized, MadePlain, Bypassed)
        check_names(network.body, "Prune", self.keep)
        widths = widths_of(network, proof_rows(network, context))
        self._tell(widths, context)
        if not widths.groups:
            family = type(network.spec.model).__name__
            raise Rejected(
                f"Prune: this {family} has no width that can be cut exactly{widths.causes}"
            )
        if all(self._stays(group) for group in widths.groups):
            raise Rejected(f"Prune: keep names every width; leave it one to cut{widths.causes}")
        return widths

    def _tell(self, widths: Widths, context: Context) -> None:
        for sentence in (f"step {self.label!r}: {reason}" for reason in widths.sentences):
            if sentence not in context.notes:
                context.notes.append(sentence)

    def _losses(self, network: Network, widths: Widths, context: Context) -> Options:
        """The loss of each width when it alone is narrower, where the scope goes by that."""
        if self.scope != "sensitivity":
            return {}
        fresh = refreshed(network, context)
        candidates = self._each_narrower(fresh, widths, context)
        settings = {"score": self.score, "multiple": self.multiple, "keep": self.keep}
        return measured_once(self, "units", fresh, candidates, context, **settings)

    def _each_narrower(
        self, network: Network, widths: Widths, context: Context
    ) -> Iterator[Candidate]:
        free = [group for group in widths.groups if not self._stays(group)]
        scores = SCORES[self.score](network, free, context, "sensitivity")
        rows = measuring_rows(network)
        for group, own in zip(free, scores, strict=True):
            yield group.makers[0], group.size, group.size, network
            for width in measured_widths(group.size, self._multiple(group)):
                kept = [
                    strongest(own, width) if other is group else torch.arange(other.size)
                    for other in widths.groups
                ]
                alone = narrowed(network, widths, kept, context, rows)
                if count_parameters(alone) < count_parameters(network):
                    yield group.makers[0], width, width, alone

    def _narrower(
        self,
        network: Network,
        whole: Widths,
        losses: Options,
        number: int,
        context: Context,
    ) -> Network:
        """The network after a round's cut; `whole` and `losses` are of the widths at first."""
        found = self._widths(network, context) if number else whole
        groups = found.groups
        free = [group for group in groups if not self._stays(group)]
        scores = SCORES[self.score](network, free, context, self.label)
        sizes = {group.makers[0]: group.size for group in whole.groups}
        fraction = self.fraction
        if number < self.rounds - 1:
            fraction = 1 - (1 - fraction) ** ((number + 1) / self.rounds)
        widths = []
        for group, own in zip(free, scores, strict=True):
            name, multiple = group.makers[0], self._multiple(group)
            size = sizes.get(name, group.size)
            widths.append(Width(own, size, multiple, losses.get(name, ())))
        best = map(strongest, scores, SCOPES[self.scope](widths, fraction))
        kept = [next(best) if group in free else torch.arange(group.size) for group in groups]
        smaller = narrowed(network, found, kept, context)
        self._tell(found, context)
        return smaller

    def _shrunk(
        self, smaller: Network, network: Network, widths: Widths, context: Context
    ) -> Network:
        if count_parameters(smaller) >= count_parameters(network):
            raise Rejected(
                f"Prune removed nothing: no width can go from one multiple of {self.multiple} to "
                "a lower one; choose a smaller multiple or a larger fraction"
                f"{widths.causes}"
            )
        for group in widths.groups:
            why = "keep names it" if self._stays(group) else f"no multiple of {self.multiple} fits"
            for part in group.produced:
                widths.reasons.setdefault(part.name, why)
        context.outcomes[self.label] = outcomes(network, smaller, widths)
        return smaller

    def _evenly_cut(self, network: Network, widths: Widths) -> Network:
        """The network that scope "layer" would leave, to know the number of epochs beforehand."""
        kept = list(map(torch.arange, self.even_widths(widths.groups)))
        return cut(network, widths.groups, kept)

    def _epochs(self, network: Network, smaller: Network) -> int:
        """The epochs of fine-tuning from a network to a smaller network, over all rounds."""
        halvings = math.log2(count_parameters(network) / count_parameters(smaller))
        return math.ceil(self.fine_tune_epochs * halvings)

    def _training(self, label: str, epochs: int) -> Train:
        rate = self.learning_rate
        return Train(label=label, learning_rate=rate, loss=self.loss, epochs=epochs)

    def _multiple(self, group: Group) -> int:
        return self.multiple if group.snap else 1

    def _stays(self, group: Group) -> bool:
        names = [f"{name}." for name in (*group.makers, *(part.name for part in group.produced))]
        return any(name.startswith(f"{kept}.") for kept in self.keep for name in names)
