"""The wishes for data of one's own, for one model of a front and for the files that it is taken
away in, declared as options are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from automl.engine.declared_options import Shown

DATA, MODEL = "Data", "Model"
OWN_DATA = ("search", "init", "check")
"""The commands that take data of one's own in a space's place."""
CHOOSE = ("export", "explain")
"""The commands that choose one model of a front."""
TAKE = ("export",)
"""The command that takes one away."""


@dataclass(frozen=True)
class OwnData:
    """The wishes for data of one's own, which stands in a space's place."""

    target: Annotated[
        str | None,
        Shown(DATA, "The column to predict.", "found by its name where it can be", OWN_DATA),
    ] = None
    task: Annotated[
        str | None,
        Shown(DATA, "classification or regression.", "found by the target's values", OWN_DATA),
    ] = None
    preset: Annotated[
        str | None,
        Shown(
            DATA,
            "fast, balanced, best or tiny; `automl presets` says what each stands for.",
            "balanced",
            OWN_DATA,
        ),
    ] = None

    def first_given(self) -> str:
        """The flag of the first wish that was given; "" where none was."""
        return next((f"--{name}" for name, wish in vars(self).items() if wish), "")


@dataclass(frozen=True)
class Choice:
    """The wishes that choose one model of a front."""

    where: Annotated[
        str | None,
        Shown(
            MODEL,
            'Only models that meet e.g. "size_bytes<=20000, accuracy within 1% of reference".',
            "none",
            CHOOSE,
        ),
    ] = None
    best: Annotated[
        str | None,
        Shown(
            MODEL,
            "Take the model that is best in this figure, e.g. accuracy.",
            commands=CHOOSE,
            defaults=(
                ("export", "the first objective, where no other wish is given"),
                ("explain", "none"),
            ),
        ),
    ] = None
    knee: Annotated[
        bool,
        Shown(
            MODEL,
            "Take the knee: the best compromise between all objectives.",
            commands=CHOOSE,
            defaults=(("export", "off"), ("explain", "on where no other wish is given")),
        ),
    ] = False
    prefer: Annotated[
        str | None,
        Shown(
            MODEL,
            "Decide by several figures, the most important first, e.g. "
            '"accuracy within 0.01, size_bytes within 10%, latency_ms".',
            "none",
            CHOOSE,
        ),
    ] = None
    runtime: Annotated[
        str | None,
        Shown(
            MODEL,
            "Choose from the front on this runtime, e.g. openvino: its latency stands in the place "
            "of that on the others.",
            "the front of all objectives",
            CHOOSE,
        ),
    ] = None
    trial: Annotated[str | None, Shown(MODEL, "Take this trial, e.g. 0012.", "none", CHOOSE)] = None


@dataclass(frozen=True)
class TakenAs:
    """The wishes for the files of a model that is taken away."""

    formats: Annotated[
        Sequence[str],
        Shown(
            MODEL,
            "Formats to write beside model.onnx, repeatable: onnx (that alone), pt2 "
            "(torch.export), executorch, litert, web (a folder for browsers), or all of these.",
            "onnx",
            TAKE,
            flag="--format",
            metavar="NAME",
            reads=list[str],
        ),
    ] = ()
    opset: Annotated[
        int | None,
        Shown(
            MODEL,
            "ONNX operator set of model.onnx, for a runtime that knows no newer one.",
            "20, as it was measured",
            TAKE,
        ),
    ] = None
    onnxruntime_web: Annotated[
        Path | None,
        Shown(
            MODEL,
            "With --format web: a copy of the npm package onnxruntime-web, its archive or folder.",
            "fetched from npm's registry, once",
            TAKE,
        ),
    ] = None
