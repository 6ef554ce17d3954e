"""The parts of an explanation as frozen values, and the JSON object that is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias, cast

from automl.explain.neighbours import Neighbour
from automl.measure import predictions
from automl.measure.predictions import ClassComparison, NumberComparison
from automl.recipe import LayerOutcome, LayerSensitivity
from automl.study.importance import Importance, Interaction
from automl.study.one_choice import OneChoice
from automl.study.propose.next_proposals import ForetoldProposal
from automl.trial import layer_outcomes

REFIT = "the refit"
"""The name of a refit's training among steps and techniques."""

Figures: TypeAlias = Mapping[str, float]
"""Measured figures by name."""


@dataclass(frozen=True)
class ChosenModel:
    """The explained model: its figures as `recorded` by the search, and why it was chosen.

    `latency_of` says what its latency is the time of, and on which machine. `difference` names what
    is not equal in the file of its recipe run again, if anything. `parent_bytes` is the
    size of the fp32 file that the model was compressed from, if any. `origin` is the trial of which
    it is the refit, if it is one.
    """

    trial_id: str
    why: str
    params: Mapping[str, object]
    recorded: Figures
    latency_of: str
    difference: str
    parent_bytes: int | None
    origin: str | None = None

    @property
    def is_same(self) -> bool:
        return not self.difference


@dataclass(frozen=True)
class Outcome:
    """A recipe that was run: the `figures` of its file, or none and the `reason`.

    `seconds` are what its steps took, in whichever trial they ran.
    """

    name: str
    status: str
    reason: str
    figures: Figures
    seconds: float = 0.0


@dataclass(frozen=True)
class Ablation:
    """Outcomes of the whole recipe, of its steps up to each, and of it without each technique."""

    whole: Outcome
    after_steps: Sequence[Outcome]
    without: Sequence[Outcome]


@dataclass(frozen=True)
class Answers:
    """Answers of the model beside its uncompressed parent's, on validation rows.

    `previews` show the first of the changed rows, each as {"picture": a data URI} or {"text": …}.
    """

    comparison: ClassComparison | NumberComparison
    previews: Sequence[Mapping[str, str]]

    def as_json(self) -> dict[str, object]:
        found = predictions.as_json(self.comparison)
        changed = cast(list[dict[str, object]], found["changed"])
        for item, preview in zip(changed, self.previews):
            item |= preview
        return found


@dataclass(frozen=True)
class Parameters:
    """Parameters that decide each objective, alone and in pairs, by `num_complete` trials.

    `one_choice` has the trials that differ in one choice, for where no parameter stands out.
    """

    num_complete: int
    alone: Mapping[str, Sequence[Importance]]
    pairs: Mapping[str, Sequence[Interaction]]
    one_choice: Sequence[OneChoice] = ()


@dataclass(frozen=True)
class Explanation:
    """A search and one of its models, explained.

    `quality` is the figure that techniques are judged by besides bytes; `sensitivity` is by the
    label of the step that measured it, `outcomes` by the label of the step that told what it made
    of each layer; `beside` are the model's neighbours on the front; `findings` are all of it in
    sentences.
    """

    search: str
    objectives: Sequence[str]
    quality: str
    model: ChosenModel
    ablation: Ablation
    answers: Answers
    sensitivity: Mapping[str, LayerSensitivity]
    outcomes: Mapping[str, Sequence[LayerOutcome]]
    parameters: Parameters
    proposals: Sequence[ForetoldProposal]
    beside: Sequence[Neighbour] = ()
    findings: Sequence[str] = ()

    def as_json(self) -> dict[str, object]:
        """The object that `automl explain --json` prints."""
        model, parameters = self.model, self.parameters
        return {
            "search": self.search,
            "trial_id": model.trial_id,
            "origin": model.origin,
            "chosen": model.why,
            "objectives": list(self.objectives),
            "quality": self.quality,
            "params": model.params,
            "model": {
                "recorded": model.recorded,
                "measured": self.ablation.whole.figures,
                "is_same": model.is_same,
                "difference": model.difference,
                "parent_bytes": model.parent_bytes,
            },
            "ablation": {
                "course": [asdict(outcome) for outcome in self.ablation.after_steps],
                "without": [asdict(outcome) for outcome in self.ablation.without],
            },
            "answers": self.answers.as_json(),
            "sensitivity": {label: own.as_json() for label, own in self.sensitivity.items()},
            "layers": layer_outcomes.as_json(self.outcomes),
            "num_complete": parameters.num_complete,
            "importance": _plain(parameters.alone),
            "interactions": _plain(parameters.pairs),
            "one_choice": [asdict(pair) for pair in parameters.one_choice],
            "beside": [asdict(neighbour) for neighbour in self.beside],
            "next": [asdict(proposal) for proposal in self.proposals],
            "findings": list(self.findings),
        }


def _plain(
    by_objective: Mapping[str, Sequence[Importance]] | Mapping[str, Sequence[Interaction]],
) -> dict[str, list[dict[str, object]]]:
    return {name: [asdict(one) for one in own] for name, own in by_objective.items()}
