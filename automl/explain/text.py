"""An explanation in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from automl import quality
from automl.explain.findings import Explanation, Figures
from automl.measure.predictions import ClassComparison, NumberComparison
from automl.pareto import DIRECTIONS
from automl.tracking.pages.formats import named, parameters, short
from automl.trial import layer_outcomes

MIN_SHARE = 0.05
"""What matters less than this share is not worth a sentence."""


def sentences(explanation: Explanation) -> list[str]:
    """An explanation's findings, the model first, then the search."""
    of_model = (_model, _left_alone, _techniques, _answers, _layers)
    parts = (*of_model, _importance, _interactions, _proposal)
    return [sentence for part in parts for sentence in part(explanation)]


def _model(explanation: Explanation) -> Iterator[str]:
    model, recorded = explanation.model, explanation.model.recorded
    names = (explanation.quality, "size_bytes", "latency_ms")
    figures = ", ".join(named(name, recorded[name]) for name in names)
    yield f"{model.why.capitalize()}: trial {model.trial_id} with {figures}."
    if parent := model.parent_bytes:
        share = recorded["size_bytes"] / parent
        yield f"Its uncompressed parent has {parent:,} bytes: the file is {share:.1%} of that."
    if model.is_same:
        yield "Made and measured again just now, it has the same quality and bytes exactly."
    else:
        yield (
            f"Made and measured again just now, it is not what was recorded: "
            f"{model.difference}. What follows compares with the new figures."
        )


def _left_alone(explanation: Explanation) -> Iterator[str]:
    size = explanation.model.recorded["size_bytes"]
    for note in layer_outcomes.notes(explanation.outcomes, (), size):
        yield f"{note}."


def _techniques(explanation: Explanation) -> Iterator[str]:
    whole, without = explanation.ablation.whole.figures, explanation.ablation.without
    if not without:
        yield "Its recipe is one training: there is no technique to leave out."
        return
    for outcome in without if whole else ():
        if outcome.status == "complete":
            yield _gain(outcome.name, outcome.figures, whole, explanation.quality)
        else:
            yield f"Without {outcome.name} there is no model to compare: {outcome.reason}."
    if "accuracy" in whole:
        num_rows = explanation.answers.comparison.num_rows
        low, high = quality.wilson_interval(whole["accuracy"], num_rows)
        yield (
            f"On {num_rows} validation rows an accuracy is known to about "
            f"±{(high - low) / 2:.3f}: smaller differences may be chance."
        )


def _gain(technique: str, without: Figures, whole: Figures, name: str) -> str:
    """A technique's gain and its cost, against the recipe that lacks it."""
    gained: list[str] = []
    lost: list[str] = []
    sizes = without["size_bytes"], whole["size_bytes"]
    if sizes[0] != sizes[1]:
        ratio = max(sizes) / min(sizes)
        difference = f"{max(sizes) - min(sizes):,.0f} bytes (a factor of {ratio:.2f})"
        (gained if sizes[0] > sizes[1] else lost).append(difference)
    better = whole[name] - without[name]
    if better:
        is_gain = (better > 0) == (DIRECTIONS[name] == "max")
        (gained if is_gain else lost).append(f"{abs(better):.4f} {name}")
    if gained and lost:
        return f"{technique} bought {' and '.join(gained)} for {' and '.join(lost)}."
    if gained:
        return f"{technique} bought {' and '.join(gained)} and cost nothing."
    if lost:
        return f"{technique} bought nothing here, and cost {' and '.join(lost)}."
    return f"{technique} changed neither bytes nor {name}."


def _answers(explanation: Explanation) -> Iterator[str]:
    comparison = explanation.answers.comparison
    if not explanation.model.parent_bytes:
        return
    if isinstance(comparison, NumberComparison):
        before, after = comparison.rmse.before or 0.0, comparison.rmse.after
        yield (
            f"Compression took the error (rmse) from {before:.4g} to {after:.4g}, and moved the "
            f"predictions by {comparison.mean_change:.2g} on average."
        )
        return
    became = [str(item.became) for item in comparison.changed]
    if not became:
        yield f"Compression changed none of its {comparison.num_rows} answers."
        return
    counts = [f"{became.count(word)} {word}" for word in dict.fromkeys(became)]
    yield (
        f"Compression changed {len(became)} of its {comparison.num_rows} answers: "
        f"now {', '.join(counts)}."
    )
    yield from _worst_class(comparison)


def _worst_class(comparison: ClassComparison) -> Iterator[str]:
    recalls = [
        (before.recall, after.recall or 0.0, own.name)
        for own in comparison.classes
        for before, after in [(own.rates.before, own.rates.after)]
        if before is not None and before.recall is not None
    ]
    before, after, name = max(recalls, key=lambda recall: recall[0] - recall[1])
    if before > after:
        yield (f"The class {name} lost most: its recall went from {before:.3f} to {after:.3f}.")


def _layers(explanation: Explanation) -> Iterator[str]:
    for label, own in explanation.sensitivity.items():
        losses = {
            layer: max(option.loss for option in options) for layer, options in own.layers.items()
        }
        most, least = max(losses, key=losses.__getitem__), min(losses, key=losses.__getitem__)
        if most != least:
            yield (
                f"Of its layers ({label}) {most} bears fewer {own.of} worst: with the fewest "
                f"the answers move by {losses[most]:.0%} of their variance; {least} bears them "
                f"best ({losses[least]:.0%})."
            )


def _importance(explanation: Explanation) -> Iterator[str]:
    parameters = explanation.parameters
    if not parameters.alone:
        yield (
            f"With {parameters.num_complete} complete trials the search is too short to say which "
            "parameters matter."
        )
    for name, own in parameters.alone.items():
        deciding = [
            f"{short(one.path)} ({one.share:.0%}; the best have {one.best})"
            for one in own
            if one.is_clear and one.share >= MIN_SHARE
        ]
        if deciding:
            yield f"What decides {name} most: {', then '.join(deciding[:2])}."
        else:
            yield f"No parameter stands out for {name} in {parameters.num_complete} trials."


def _interactions(explanation: Explanation) -> Iterator[str]:
    by_objective = explanation.parameters.pairs
    if explanation.parameters.alone and not any(by_objective.values()):
        yield "There are too few trials to say which parameters act together."
    for name, pairs in by_objective.items():
        clear = [pair for pair in pairs if pair.is_clear]
        if clear and clear[0].share >= MIN_SHARE:
            first, second = short(clear[0].first), short(clear[0].second)
            yield (
                f"On {name} {first} and {second} act together: what one does depends on the other "
                f"({clear[0].share:.0%} of the variance)."
            )


def _proposal(explanation: Explanation) -> Iterator[str]:
    for proposal in explanation.proposals[:1]:
        start = f"compress the training of trial {proposal.parent} again"
        if proposal.parent is None:
            start = "train a new model"
            if proposal.nearest:
                start += f", like trial {proposal.nearest} but"
        expected = ", ".join(named(n, ends[1]) for n, ends in proposal.expected.items())
        hope = f"; it expects {expected}" if expected else ""
        yield f"Next the search would {start} with {parameters(proposal.changed)}{hope}."
