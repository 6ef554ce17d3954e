"""The card of an exported model: the README of its folder."""

from __future__ import annotations

from dataclasses import dataclass

from automl.data.dataset import Dataset
from automl.engine.export_costs import Costs
from automl.engine.export_figures import OfColumns, TestFigures
from automl.engine.taken import Taken
from automl.predictor.rows import RowFormat
from automl.runtimes import onnx
from automl.runtimes.onnx import Signature
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.tracking.pages import rendering
from automl.trial import layer_outcomes
from automl.trial.result import TrialResult


@dataclass(frozen=True)
class RowsInWords:
    """The files that hold rows of a kind, and the name of one."""

    words: str
    example: str


COLUMNS_FILE = "named_columns.onnx"
EXAMPLE_COLUMNS = 3
ROWS_IN_WORDS = {
    "table": RowsInWords("a CSV or Parquet file with its columns in any order", "rows.csv"),
    "text": RowsInWords("texts in a CSV, a .jsonl, or a line each in a .txt", "texts.txt"),
    "image": RowsInWords("images of any size, or folders of them,", "photos/"),
    "numbers": RowsInWords("rows of numbers in a .npy, .npz, .csv or .ts", "rows.npy"),
}


@dataclass(frozen=True)
class Rows:
    """The rows that a model learned from and is asked with: their source, form and number."""

    source: Dataset
    form: RowFormat
    num_train: int


@dataclass(frozen=True)
class Layer:
    """A row of the card's table of layers, in words."""

    tensor: str
    num_weights: str
    share: str
    of_bytes: str
    of_time: str
    became: str = ""


def card(
    study: Study,
    record: TrialRecord,
    figures: TestFigures,
    taken: Taken,
    rows: Rows,
    of_columns: OfColumns | None,
) -> str:
    """The export's README: what the model is, what it reaches, what it costs, how to run it."""
    assert record.result is not None
    form = rows.form
    signature = onnx.signature(onnx.session(taken.file))
    return rendering.render(
        "card.md.j2",
        search=study.name,
        record=record,
        figures=figures,
        signature=signature,
        form=form,
        rows=ROWS_IN_WORDS[form.kind],
        data=rows,
        input=_input(signature, bool(form.tokenizer)),
        columns_file=COLUMNS_FILE,
        of_columns=of_columns,
        example=_example(signature),
        notes=(*record.result.notes, *taken.others.notes, *taken.notes),
        costs=taken.costs,
        others=taken.others,
        layers=_layers(record.result, taken.costs),
    )


def _layers(result: TrialResult, costs: Costs) -> list[Layer]:
    """A row for each tensor of weights that a step told of; where none did, for each in the file,
    without what became of it."""
    nothing = ("–", "–")
    told = [
        Layer(
            row.tensor, f"{row.num_weights:,}", row.share, *_shares(costs, row.tensor), row.became
        )
        for row in layer_outcomes.table(result.outcomes)
    ]
    return told or [Layer(name, *nothing, *_shares(costs, name)) for name in costs.layers]


def _shares(costs: Costs, tensor: str) -> tuple[str, str]:
    """The shares of a tensor's layer in the file's bytes and in its time, in words."""
    known = costs.layers.get(tensor)
    return ("–", "–") if known is None else known.in_words


def _example(signature: Signature) -> list[tuple[str, str]]:
    """Some columns of a table, each with a value, as Python spells them."""
    columns = list(signature.columns.items())[:EXAMPLE_COLUMNS]
    return [(repr(name), repr(kinds[0]) if kinds else "1.5") for name, kinds in columns]


def _input(signature: Signature, has_tokenizer: bool) -> str:
    """A row of the file's input, in words."""
    shape = ", ".join(map(str, signature.row_shape))
    if signature.is_text:
        what = "the ids that `tokenizer.json` gives" if has_tokenizer else "its UTF-8 bytes"
        padding = "with its padding" if has_tokenizer else "0 after the end"
        shorter = ", or without that at any shorter length" if signature.takes_shorter else ""
        return f"takes text: {what} as int64 of shape (batch, {shape}), {padding}{shorter}"
    if len(signature.row_shape) == 3:
        return (
            f"takes raw pixels, float32 of shape (batch, {shape}): channels (red, green, blue) x "
            "height x width, with values as in training, which are 0 to 255 for image files; "
            "pictures of another size are resized bilinearly before, normalisation is inside"
        )
    if not signature.columns:
        return f"takes raw rows, float32 of shape (batch, {shape}); normalisation is inside"
    columns = [
        f"{name} ({', '.join(f'{i} = {c}' for i, c in enumerate(categories)) or 'number'})"
        for name, categories in signature.columns.items()
    ]
    return (
        f"takes raw rows, float32 of shape (batch, {shape}), NaN where a value is missing; the "
        f"columns are: {'; '.join(columns)}"
    )
