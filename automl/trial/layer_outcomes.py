"""Layer outcomes of a trial summed up: what became of each tensor of weights, or why it stays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from automl.recipe import LayerOutcome

Outcomes: TypeAlias = Mapping[str, Sequence[LayerOutcome]]
"""Outcomes by the label of their step, in the order of the recipe."""
MOST = 0.5
"""A trial that left a larger share of its weights as they were says so first."""
WORTH_SAYING = 0.1
MAX_REASONS = 3
FLOAT_BYTES = 4


@dataclass(frozen=True)
class TensorOutcome:
    """A tensor's outcome in each step that told of it; `num_weights` is what the last one saw.

    A tensor `is_replaced` where a step put others in its place, of which later steps told: their
    weights count, and not its own.
    """

    tensor: str
    num_weights: int
    by_step: Mapping[str, LayerOutcome]
    is_replaced: bool = False

    @property
    def is_changed(self) -> bool:
        return any(outcome.change for outcome in self.by_step.values())

    @property
    def reason(self) -> str:
        """The reason of the last step that left it alone."""
        return [outcome.reason for outcome in self.by_step.values() if not outcome.change][-1]

    def as_json(self) -> dict[str, object]:
        steps = {
            label: {"change": own.change} if own.change else {"reason": own.reason}
            for label, own in self.by_step.items()
        }
        return {"tensor": self.tensor, "num_weights": self.num_weights, "steps": steps}


@dataclass(frozen=True)
class Row:
    """A row of the table that users see: a tensor, or the rest of them, and what became of it."""

    tensor: str
    num_weights: int
    share: str
    became: str


def by_tensor(outcomes: Outcomes) -> list[TensorOutcome]:
    """Tensors in the order in which they were first told of, each with what became of it."""
    found: dict[str, dict[str, LayerOutcome]] = defaultdict(dict)
    for label, own in outcomes.items():
        for outcome in own:
            found[outcome.tensor][label] = outcome
    last = {outcome.tensor for outcome in list(outcomes.values())[-1]} if outcomes else set()
    return [
        TensorOutcome(
            tensor,
            list(steps.values())[-1].num_weights,
            steps,
            tensor not in last and any(one.startswith(_layer(tensor)) for one in last),
        )
        for tensor, steps in found.items()
    ]


def untouched_share(outcomes: Outcomes) -> float:
    """The share of all weights that no step changed."""
    tensors = by_tensor(outcomes)
    left = _count([tensor for tensor in tensors if not tensor.is_changed])
    return left / max(1, _count(tensors))


def notes(outcomes: Outcomes, others: Sequence[str], size_bytes: float | None) -> tuple[str, ...]:
    """The notes of a trial, the `others` among them.

    What it left as it was stands first if that is most of its weights, else last. `size_bytes`
    are those of its file, if it came to one.
    """
    tensors = by_tensor(outcomes)
    left = [
        LayerOutcome(tensor.tensor, tensor.num_weights, reason=tensor.reason)
        for tensor in tensors
        if not tensor.is_changed
    ]
    share = untouched_share(outcomes)
    if share >= WORTH_SAYING:
        told = {outcome.tensor for outcome in left}
        labels = [label for label, own in outcomes.items() if told & {o.tensor for o in own}]
        sentence = _sentence(labels, left, _count(tensors), size_bytes)
        return (sentence, *others) if share > MOST else (*others, sentence)
    return (*others, *_of_single_steps(outcomes))


def table(outcomes: Outcomes, most: int = 40) -> list[Row]:
    """A row for each tensor; of more than `most` the largest, and one row that sums up the rest."""
    tensors = by_tensor(outcomes)
    total, num_steps = _count(tensors), len(outcomes)
    largest = sorted(tensors, key=lambda tensor: -tensor.num_weights)
    shown, rest = largest[:most], largest[most:]
    if rest:
        shown, rest = largest[: most - 1], largest[most - 1 :]
    rows = [
        Row(tensor.tensor, tensor.num_weights, share, _in_words(tensor, num_steps))
        for tensor in tensors
        if tensor in shown
        for share in ["–" if tensor.is_replaced else _percent(tensor.num_weights, total)]
    ]
    if rest:
        changed = sum(tensor.is_changed for tensor in rest)
        became = f"{changed} changed, {len(rest) - changed} stay"
        weights = _count(rest)
        rows.append(Row(f"{len(rest)} more", weights, _percent(weights, total), became))
    return rows


def as_json(outcomes: Outcomes) -> dict[str, object]:
    """The object that files and `--json` hold of a trial's layers; empty where no step told."""
    if not outcomes:
        return {}
    tensors = by_tensor(outcomes)
    return {
        "num_weights": _count(tensors),
        "untouched_share": untouched_share(outcomes),
        "tensors": [tensor.as_json() for tensor in tensors],
    }


def _of_single_steps(outcomes: Outcomes) -> list[str]:
    """A sentence of each step that left most of the weights to the other steps."""
    sentences = []
    for label, own in outcomes.items():
        left = [outcome for outcome in own if not outcome.change]
        if _count(left) > MOST * _count(own):
            sentences.append(_sentence([label], left, _count(own), None))
    return sentences


def _sentence(
    labels: Sequence[str], left: Sequence[LayerOutcome], total: int, size_bytes: float | None
) -> str:
    """The weights that steps left as they were, by reason, the most of them first."""
    groups: dict[str, list[LayerOutcome]] = defaultdict(list)
    for outcome in left:
        groups[_because(outcome.reason)].append(outcome)
    ordered = sorted(groups.items(), key=lambda group: -_count(group[1]))
    told = [
        f"{_names(own)}, {_percent(_count(own), total)}{because}"
        for because, own in ordered[:MAX_REASONS]
    ]
    if rest := [outcome for _, own in ordered[MAX_REASONS:] for outcome in own]:
        told.append(f"{len(rest)} more, {_percent(_count(rest), total)}, for other reasons")
    steps, num_bytes = " and ".join(labels), FLOAT_BYTES * _count(left)
    of_file = ""
    # Weights that no answer depends on are not in the file.
    if size_bytes is not None and num_bytes <= size_bytes:
        of_file = f" ({num_bytes:,} of the file's {size_bytes:,.0f} bytes)"
    share = _percent(_count(left), total)
    return f"{steps} left {share} of the weights as they were{of_file}: {'; '.join(told)}"


def _names(outcomes: Sequence[LayerOutcome]) -> str:
    first = max(outcomes, key=lambda outcome: outcome.num_weights).tensor
    return first if len(outcomes) == 1 else f"{first} and {len(outcomes) - 1} more"


def _in_words(tensor: TensorOutcome, num_steps: int) -> str:
    words = {
        label: own.change or f"stays{_because(own.reason)}" for label, own in tensor.by_step.items()
    }
    if num_steps == 1:
        return next(iter(words.values()))
    return "; ".join(f"{label}: {became}" for label, became in words.items())


def _count(tensors: Sequence[LayerOutcome] | Sequence[TensorOutcome]) -> int:
    return sum(
        tensor.num_weights
        for tensor in tensors
        if not (isinstance(tensor, TensorOutcome) and tensor.is_replaced)
    )


def _layer(tensor: str) -> str:
    """The start of the names of all tensors in a tensor's layer."""
    return tensor.rpartition(".")[0] + "."


def _percent(part: int, total: int) -> str:
    share = 100 * part / max(1, total)
    return "under 1 %" if 0 < share < 1 else f"{share:.0f} %"


def _because(reason: str) -> str:
    """A reason in brackets, on one line."""
    return f" ({' '.join(reason.split())})" if reason else ""
