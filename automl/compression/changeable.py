"""Weights of a network that a step may change, and the reason why each other one stays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from torch import nn

from automl.compression.calibration import seen_rows
from automl.errors import Rejected
from automl.models.answer_way import way_to_answers
from automl.models.family import Network
from automl.models.weights import EMBEDDINGS, Weight, check_names, uses, weights, why_unused
from automl.recipe import Context, LayerOutcome

Refuse: TypeAlias = Callable[[Weight], str]
"""Gives the reason why a step leaves a weight as it is; "" where it may change it."""

ROWS = 2
NAMED = 3
"""Layers that a sentence names for each reason."""


@dataclass(frozen=True)
class Changeable:
    """The weights that a step may change, and the reasons of those that stay, by their labels."""

    weights: dict[str, Weight]
    staying: dict[str, str]
    every: tuple[Weight, ...]

    def without(self, reasons: Mapping[str, str]) -> Changeable:
        """Without weights that stay for these reasons after all, by their labels."""
        left = {label: one for label, one in self.weights.items() if label not in reasons}
        return replace(self, weights=left, staying={**self.staying, **reasons})

    def ends(
        self, network: Network, context: Context, kinds: tuple[type[nn.Module], ...] = (nn.Module,)
    ) -> list[str]:
        """The labels of the weights, of layers of these kinds, that the network multiplies with
        first and last on the way to its answers; none where there is no such layer."""
        way = way_to_answers(network.body, seen_rows(network, context, ROWS))
        places = {
            label: way.last_of_weight(weight)
            for label, weight in self.weights.items()
            if isinstance(weight.module, kinds)
        }
        # Where a call is not seen, as within torch.func, the order of registration is left.
        known = [label for label in places if places[label] >= 0] or list(places)
        ordered = sorted(known, key=places.__getitem__)
        return [*ordered[:1], *ordered[-1:]]

    def outcomes(self, changes: Mapping[str, str]) -> tuple[LayerOutcome, ...]:
        """The outcome of each weight, given what was made of those that are changed."""
        return tuple(
            LayerOutcome(
                weight.name,
                weight.values.numel(),
                changes.get(weight.label, "") if weight.label in self.weights else "",
                self.staying.get(weight.label, ""),
            )
            for weight in self.every
        )


def refuse_embedding(weight: Weight) -> str:
    """The reason why an embedding stays; "" of any other weight."""
    if isinstance(weight.module, EMBEDDINGS):
        return "is an embedding, which Quantize stores in few bits"
    return ""


def changeable(
    network: Network, context: Context, step: str, keep: Collection[str], refuse: Refuse
) -> Changeable:
    """The weights of a network that a step may change.

    Raises Rejected at a name to keep that there is not, and where every weight stays.
    """
    check_names(network.body, step, keep)
    every = weights(network.body)
    used = uses(network.body, every, seen_rows(network, context, ROWS))
    found, staying = dict[str, Weight](), dict[str, str]()
    for weight in every:
        reason = "is kept" if weight.in_any(keep) else why_unused(weight, used) or refuse(weight)
        if reason:
            staying[weight.label] = reason
        else:
            found[weight.label] = weight
    if not found:
        raise Rejected(f"{step} could change nothing: {in_words(staying)}")
    return Changeable(found, staying, tuple(every))


def in_words(reasons: Mapping[str, str]) -> str:
    """Reasons by label in one line, the labels of a reason together."""
    by_reason = defaultdict[str, list[str]](list)
    for label, reason in reasons.items():
        by_reason[reason].append(label)
    return (
        "; ".join(
            f"{', '.join(labels[:NAMED])}{' and others' * (len(labels) > NAMED)}: {reason}"
            for reason, labels in by_reason.items()
        )
        or "the model has no layer left with weights"
    )
