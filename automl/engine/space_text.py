"""The text of a space for data of one's own: Python for people to read and to edit."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, fields

from automl import quality
from automl.config import Config
from automl.data.dataset import Data, Dataset
from automl.engine.presets import Preset
from automl.errors import UserError

USUAL_STEPS = 1000
FEWEST_EPOCHS, MOST_EPOCHS = 10, 60
BATCHES = ((1_000, 16), (4_000, 32), (16_000, 64), (100_000, 128))
"""Batch sizes by the number of rows below which they are taken."""
LARGEST_BATCH = 512
BINS = 16
WIDTH = 96
NARROWEST = 16
"""The units of a layer that a cut can halve: what is left is a multiple of 8."""


@dataclass(frozen=True)
class Shape:
    """All of a dataset that decides what is tried on it; `has_numbers` that bins can be made of."""

    kind: str
    num_rows: int
    class_counts: tuple[int, ...]
    side: int
    has_numbers: bool = False

    @classmethod
    def of(cls, data: Data) -> Shape:
        """The shape of a dataset. Raises UserError where nothing would be tried on it."""
        info = data.info
        kinds = {1: "table", 2: "series", 3: "images"}
        if len(info.input_shape) not in kinds:
            raise UserError(
                f"no space is made for rows of shape {info.input_shape}; "
                "write one, with MLP or a module of your own, Imported"
            )
        kind = "text" if info.num_tokens else kinds[len(info.input_shape)]
        side, has_numbers = info.input_shape[-1], bool(info.quantiles)
        return cls(kind, len(data.train.targets), info.class_counts, side, has_numbers)

    def is_uneven(self) -> bool:
        return bool(self.class_counts) and quality.usual(self.class_counts)[0] != "accuracy"

    def batch(self) -> int:
        sizes = (size for rows, size in BATCHES if self.num_rows < rows)
        return next(sizes, LARGEST_BATCH)

    def epochs(self, preset: Preset) -> int:
        """The epochs that make the usual number of steps, within bounds."""
        usual = USUAL_STEPS * self.batch() / self.num_rows
        return round(preset.training * min(MOST_EPOCHS, max(FEWEST_EPOCHS, usual)))


def write(dataset: Dataset, data: Data, preset: Preset, opening: Sequence[str]) -> str:
    """The text of a space file; `opening` are the lines of its docstring."""
    shape = Shape.of(data)
    metric, why = quality.usual(shape.class_counts)
    epochs = shape.epochs(preset)
    body = f"""\
# The rows, and what is predicted.
dataset = {config(dataset)}

# The models that are tried: Int(16, 64, step=8) stands for any width between the two.
model = {_choice(_families(shape, preset))}

# The first training of each model.
rate = Warmup(Cosine(Float(1e-3, 3e-2, log=True)))
train = Train(
    optimizer=OneOf(AdamW(weight_decay=Float(1e-3, 0.1, log=True)), Nesterov()),
    learning_rate=rate,
    batch_size=Fixed(OneOf({shape.batch()}, {2 * shape.batch()})),
    epochs={epochs},
{_training_options(shape)})

# The training after a network was made smaller.
fine_tune = Train(label="fine_tune", learning_rate=rate, epochs={max(2, epochs // 3)})

space = Space(
    TrialConfig(
        dataset=dataset,
        model=model,
        recipe=(
            train,
            # None leaves a step out: the search finds which steps pay.
{_shrink(preset)}
            {_bits(preset)},
        ),
    ),
    # {why[0].upper()}{why[1:]}.
    objectives={_names([metric, *preset.file_figures])},
)
"""
    docstring = "\n".join(line for text in opening for line in _in_docstring(text))
    return f'"""{docstring}\n"""\n\n{_imports(body)}\n\n{body}'


def _names(names: Sequence[str]) -> str:
    """The Python text of a tuple of names."""
    texts = ", ".join(f'"{name}"' for name in names)
    return f"({texts},)" if len(names) == 1 else f"({texts})"


def _in_docstring(text: str) -> list[str]:
    """Lines that end no docstring and escape nothing, whatever names a text holds."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    shown = shown.replace("\\", "\\\\").replace('"', "'")
    return textwrap.wrap(
        shown, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    ) or [""]


def config(value: Config) -> str:
    """The Python text of a plain config, an argument on each line; defaults are left out."""
    own = {f.name: getattr(value, f.name) for f in fields(value)}  # type: ignore[arg-type]
    blank = {f.name: f.default for f in fields(value)}  # type: ignore[arg-type]
    given = [f"    {k}={_literal(v)},\n" for k, v in own.items() if v != blank[k]]
    return f"{type(value).__name__}(\n{''.join(given)})"


def _literal(value: object) -> str:
    """The text of a plain value, with double quotes where that is as short."""
    text = repr(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, str) and text.startswith("'") and '"' not in text:
        return f'"{text[1:-1]}"'
    return text


def _choice(options: Sequence[str]) -> str:
    """A OneOf of these texts, an option on each line; of one option that alone."""
    if len(options) == 1:
        return options[0]
    lines = "".join(f"    {option},\n" for option in options)
    return f"OneOf(\n{lines})"


def _families(shape: Shape, preset: Preset) -> list[str]:
    """The texts of the families for such data; where one is enough, the first."""
    widest, deepest = preset.widest, preset.deepest
    width = f"Int({NARROWEST}, {widest}, step=8)"
    depth = f"Int(1, {deepest})"
    bins = f"bins=OneOf(0, {BINS})" if shape.has_numbers else ""
    fields = [f"widths=Repeat({width}, {depth})", 'activation=OneOf("relu", "silu")', bins]
    layers = "".join(f"        {one},\n" for one in fields if one) + "    "
    transformer = f"""Transformer(
        width=OneOf(16, 32),
        layers=Repeat(TransformerLayer(heads=Int(1, 4)), Int(1, {deepest})),
    )"""
    families = {
        "table": [
            f"MLP(\n{layers})",
            f"EnsembleMLP(\n{layers})",
            f"Linear({bins})",
        ],
        "text": [
            f"ConvNet1d(channels=Repeat({width}, {depth}), kernel_size=OneOf(3, 5))",
            transformer,
        ],
        "series": [
            f"ConvNet1d(channels=Repeat({width}, {depth}), kernel_size=OneOf(3, 5))",
            transformer,
        ],
        "images": [
            f"ConvNet(channels=Repeat({width}, Int(2, {deepest + 1})))",
            f"MobileNet(stages=Repeat(MobileNetStage({width}, Int(1, 2)), Int(2, 3)))",
            f"ResNet(stages=Repeat(ResNetStage({width}, Int(1, 2)), Int(2, 3)))",
        ],
    }[shape.kind]
    return families if preset.every_family else families[:1]


def _training_options(shape: Shape) -> str:
    """The lines of options that suit the data."""
    lines = ""
    if shape.is_uneven():
        lines += "    loss=CrossEntropy(balanced=OneOf(False, True)),\n"
    if shape.kind == "images":
        shift = max(1, shape.side // 16)
        lines += f"    augmentations=(OneOf(None, Flip()), OneOf(None, Shift({shift}))),\n"
    return lines


def _shrink(preset: Preset) -> str:
    """The lines of the choice between ways to make a network smaller."""
    cuts = {
        "prune": "(Prune(Float(0.25, 0.75)), fine_tune)",
        "factorize": "(Factorize(energy=Float(0.8, 0.99)), fine_tune)",
    }
    options = ["None", *(cuts[name] for name in preset.cuts)]
    lines = "".join(f"                {option},\n" for option in options)
    return f'            OneOf(\n{lines}                label="shrink",\n            ),'


def _bits(preset: Preset) -> str:
    """The choice of the bits that weights are stored in."""
    if len(preset.bits) == 1:
        return f"OneOf(None, Quantize(bits={preset.bits[0]}))"
    return f"OneOf(None, Quantize(bits=OneOf({', '.join(map(str, preset.bits))})))"


def _imports(body: str) -> str:
    """The import of all names of the package that the text holds, in the order of `ruff`."""
    names = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    ours = sorted(filter(_is_class, names), key=lambda name: (not name.isupper(), name.lower()))
    return f"from automl import (\n{''.join(f'    {name},{chr(10)}' for name in ours)})"


def _is_class(name: str) -> bool:
    return name[0].isupper()
