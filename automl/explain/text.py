"""An explanation in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from automl import quality
from automl.pareto import DIRECTIONS

Found = dict[str, Any]
MIN_SHARE = 0.05
"""What matters less than this share is not worth a sentence."""


def told(found: Found) -> list[str]:
    """An explanation's findings, the model first, then the search."""
    parts = (_model, _techniques, _answers, _layers, _importance, _interactions, _next)
    return [sentence for part in parts for sentence in part(found)]


def figure(name: str, value: float) -> str:
    """A figure with its name."""
    if name == "size_bytes":
        return f"{amount(name, value)} bytes"
    return f"{name.removesuffix('_ms')} {amount(name, value)}"


def amount(name: str, value: float) -> str:
    """A figure's value, as many digits as say something."""
    if name == "size_bytes":
        return f"{value:,.0f}"
    return f"{value:.3g} ms" if name.endswith("_ms") else f"{value:.4f}"


def short(path: str) -> str:
    """A parameter's path without the folder that all steps share."""
    return path.removeprefix("recipe.")


def setting(params: dict[str, Any]) -> str:
    """Parameters in one line."""
    return ", ".join(
        f"{short(path)} = {f'{value:.3g}' if isinstance(value, float) else value}"
        for path, value in params.items()
    )


def _model(found: Found) -> Iterator[str]:
    recorded, name = found["model"]["recorded"], found["quality"]
    said = ", ".join(figure(n, recorded[n]) for n in (name, "size_bytes", "latency_ms"))
    yield f"{found['chosen'].capitalize()}: trial {found['trial_id']} with {said}."
    if parent := found["model"]["parent_bytes"]:
        share = recorded["size_bytes"] / parent
        yield f"Its uncompressed parent has {parent:,} bytes: the file is {share:.1%} of that."
    if found["model"]["is_same"]:
        yield "Made and measured again just now, it has the same quality and bytes exactly."
    else:
        yield (
            f"Made and measured again just now, it is not what was recorded: "
            f"{found['model']['difference']}. What follows compares with the new figures."
        )


def _techniques(found: Found) -> Iterator[str]:
    whole, name = found["model"]["measured"], found["quality"]
    if not found["ablation"]["without"]:
        yield "Its recipe is one training: there is no technique to leave out."
    for out in found["ablation"]["without"] if whole else ():
        if out["status"] == "complete":
            yield _bought(out["name"], out["figures"], whole, name)
        else:
            yield f"Without {out['name']} there is no model to compare: {out['reason']}."
    if found["ablation"]["without"] and "accuracy" in whole:
        low, high = quality.wilson_interval(whole["accuracy"], found["answers"]["num_rows"])
        yield (
            f"On {found['answers']['num_rows']} validation rows an accuracy is known to about "
            f"±{(high - low) / 2:.3f}: smaller differences may be chance."
        )


def _bought(technique: str, without: dict[str, float], whole: dict[str, float], name: str) -> str:
    """What a technique gained and what it cost, against the recipe that lacks it."""
    gained: list[str] = []
    lost: list[str] = []
    sizes = without["size_bytes"], whole["size_bytes"]
    if sizes[0] != sizes[1]:
        ratio = max(sizes) / min(sizes)
        many = f"{max(sizes) - min(sizes):,.0f} bytes (a factor of {ratio:.2f})"
        (gained if sizes[0] > sizes[1] else lost).append(many)
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


def _answers(found: Found) -> Iterator[str]:
    answers = found["answers"]
    if not found["model"]["parent_bytes"]:
        return
    if answers["task"] == "numbers":
        before, after = answers["rmse"]["before"], answers["rmse"]["after"]
        yield (
            f"Compression took the error (rmse) from {before:.4g} to {after:.4g}, and moved the "
            f"predictions by {answers['mean_change']:.2g} on average."
        )
        return
    became = [item["became"] for item in answers["changed"]]
    if not became:
        yield f"Compression changed none of its {answers['num_rows']} answers."
        return
    counts = [f"{became.count(word)} {word}" for word in dict.fromkeys(became)]
    yield (
        f"Compression changed {len(became)} of its {answers['num_rows']} answers: "
        f"now {', '.join(counts)}."
    )
    yield from _worst_class(answers)


def _worst_class(answers: Found) -> Iterator[str]:
    known = [c for c in answers["classes"] if c["recall_before"] is not None]
    worst = max(known, key=lambda c: c["recall_before"] - c["recall_after"])
    if worst["recall_before"] > worst["recall_after"]:
        yield (
            f"The class {worst['name']} lost most: its recall went from "
            f"{worst['recall_before']:.3f} to {worst['recall_after']:.3f}."
        )


def _layers(found: Found) -> Iterator[str]:
    for label, own in found["sensitivity"].items():
        losses = {
            layer: max(o["loss"] for o in options) for layer, options in own["layers"].items()
        }
        most, least = max(losses, key=losses.__getitem__), min(losses, key=losses.__getitem__)
        if most != least:
            yield (
                f"Of its layers ({label}) {most} bears fewer {own['of']} worst: with the fewest "
                f"the answers move by {losses[most]:.0%} of their variance; {least} bears them "
                f"best ({losses[least]:.0%})."
            )


def _importance(found: Found) -> Iterator[str]:
    if not found["importance"]:
        yield (
            f"With {found['num_complete']} complete trials the search is too short to say which "
            "parameters matter."
        )
    for name, own in found["importance"].items():
        clear = [one for one in own if one["is_clear"] and one["share"] >= MIN_SHARE][:2]
        said = [
            f"{short(one['path'])} ({one['share']:.0%}; the best have {one['best']})"
            for one in clear
        ]
        if said:
            yield f"What decides {name} most: {', then '.join(said)}."
        else:
            yield f"No parameter stands out for {name} in {found['num_complete']} trials."


def _interactions(found: Found) -> Iterator[str]:
    own = [(name, pair) for name, pairs in found["interactions"].items() for pair in pairs]
    if not own and found["importance"]:
        yield "There are too few trials to say which parameters act together."
    for name in found["interactions"]:
        clear = [pair for n, pair in own if n == name and pair["is_clear"]]
        if clear and clear[0]["share"] >= MIN_SHARE:
            first, second = short(clear[0]["first"]), short(clear[0]["second"])
            yield (
                f"On {name} {first} and {second} act together: what one does depends on the other "
                f"({clear[0]['share']:.0%} of the variance)."
            )


def _next(found: Found) -> Iterator[str]:
    for proposal in found["next"][:1]:
        start = f"compress the training of trial {proposal['parent']} again"
        if proposal["parent"] is None:
            start = "train a new model"
            if proposal["nearest"]:
                start += f", like trial {proposal['nearest']} but"
        expected = ", ".join(figure(n, v[1]) for n, v in proposal["expected"].items())
        hope = f"; it expects {expected}" if expected else ""
        yield f"Next the search would {start} with {setting(proposal['changed'])}{hope}."
