"""Presets: words for how long a search of own data takes, what it tries and what it is after."""

from __future__ import annotations

from dataclasses import dataclass, replace

from automl.engine.search_options import Options
from automl.errors import UserError, unknown

DEFAULT = "balanced"


@dataclass(frozen=True)
class Preset:
    """The settings of a word. Each is written out in the space that `automl init` writes.

    `training` is the length of trainings, 1 where they are as long as usual. `widest` is the
    most units of a layer, `deepest` the most layers or blocks. With `every_family` all kinds of
    models that suit the data are tried, else only one. `cuts` are the ways to make a
    network smaller. `bits` are the widths that weights are stored in.
    """

    purpose: str
    minutes: float
    training: float
    widest: int
    deepest: int
    every_family: bool
    cuts: tuple[str, ...]
    bits: tuple[int, ...]
    picture_side: int
    file_figures: tuple[str, ...]

    def facts(self) -> dict[str, object]:
        """The settings in words, by what they are of."""
        bits = " or ".join(map(str, self.bits))
        return {
            "minutes": f"{self.minutes:g}",
            "training": f"{self.training:g} x the usual epochs",
            "models": f"{'all families' if self.every_family else 'one family'}, "
            f"at most {self.widest} wide and {self.deepest} deep",
            "compression": f"{' or '.join(self.cuts)}, {bits} bits",
            "pictures": f"at most {self.picture_side} x {self.picture_side} pixels",
            "objectives": ", ".join(("quality", *self.file_figures)),
        }


PRESETS = {
    "fast": Preset(
        purpose="a first answer in minutes",
        minutes=5,
        training=0.5,
        widest=64,
        deepest=2,
        every_family=False,
        cuts=("prune",),
        bits=(8,),
        picture_side=32,
        file_figures=("size_bytes", "latency_ms"),
    ),
    "balanced": Preset(
        purpose="a good model in the time of a break",
        minutes=20,
        training=1,
        widest=128,
        deepest=3,
        every_family=True,
        cuts=("prune", "factorize"),
        bits=(8, 4),
        picture_side=64,
        file_figures=("size_bytes", "latency_ms"),
    ),
    "best": Preset(
        purpose="the best quality that two hours find",
        minutes=120,
        training=2,
        widest=256,
        deepest=4,
        every_family=True,
        cuts=("prune", "factorize"),
        bits=(8, 4, 2),
        picture_side=96,
        file_figures=("size_bytes", "latency_ms"),
    ),
    "tiny": Preset(
        purpose="the fewest bytes for a small device",
        minutes=20,
        training=1,
        widest=32,
        deepest=3,
        every_family=False,
        cuts=("prune", "factorize"),
        bits=(8, 4, 2, 1),
        picture_side=32,
        file_figures=("size_bytes",),
    ),
}


def preset(word: str | None) -> Preset:
    """The preset of a word, the default one of None. Raises UserError where there is none."""
    if (word or DEFAULT) not in PRESETS:
        raise UserError(unknown("preset", str(word), list(PRESETS)))
    return PRESETS[word or DEFAULT]


def with_budget(options: Options, word: str | None) -> Options:
    """Options with a preset's minutes, where no budget was given.

    Raises UserError on a budget beside that the minutes leave no room for.
    """
    minutes = preset(word).minutes
    given = (options.trials, options.minutes, options.gpu_hours, options.patience)
    if any(budget is not None for budget in given):
        return options
    try:
        planned = replace(options, minutes=minutes)
        planned.budget()
    except UserError as error:
        raise UserError(f"--preset {word or DEFAULT} is --minutes {minutes:g}: {error}") from None
    return planned
