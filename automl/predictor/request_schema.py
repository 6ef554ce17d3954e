"""The rows that a served model takes, described for programs (OpenAPI) and for the page."""

from __future__ import annotations

from automl.predictor.model import Model
from automl.web.folder import About


def described(model: Model) -> About:
    """A model's rows and answers: what the page to try it is made of."""
    form = model.form
    return About(model.folder.name, form.told(), form.columns, model.classes, model.num_outputs)


def operation(model: Model) -> dict[str, object]:
    """The request of `/predict` in OpenAPI: rows as JSON, or a file as the body."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    files = ["image/*"] if model.form.kind == "image" else ["text/csv", "application/octet-stream"]
    rows = {"type": "array", "items": _row(model), "minItems": 1}
    body = {"type": "object", "properties": {"rows": rows}, "required": ["rows"]}
    json = {"application/json": {"schema": body, "example": {"rows": [_example(model)]}}}
    return {
        "description": "Rows as JSON; or a file as the body, with its name as `?name=rows.csv`.",
        "requestBody": {"required": True, "content": {**json, **dict.fromkeys(files, binary)}},
    }


def _row(model: Model) -> dict[str, object]:
    """The schema of a row."""
    form = model.form
    if form.kind == "table":
        number, text = {"type": ["number", "null"]}, {"type": ["string", "null"]}
        columns = {
            name: {**text, "examples": list(categories)} if categories else number
            for name, categories in form.columns.items()
        }
        return {"type": "object", "properties": columns, "required": list(columns)}
    if form.kind == "text":
        return {"type": "string"}
    row: dict[str, object] = {"type": "number"}
    for size in reversed(form.row_shape):
        row = {"type": "array", "items": row, "minItems": size, "maxItems": size}
    return row


def _example(model: Model) -> object:
    form = model.form
    if form.kind == "table":
        return {name: kinds[0] if kinds else 0 for name, kinds in form.columns.items()}
    if form.kind == "text":
        return "a text"
    row: object = 0
    for size in reversed(form.row_shape):
        row = [row] * size
    return row
