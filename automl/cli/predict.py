"""The commands that ask an exported model: with files of rows, or as a small server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from automl.cli import render
from automl.cli.parameters import JsonOption, ServingJsonOption

OutArgument = Annotated[
    Path, typer.Argument(metavar="OUT", help="The folder that `automl export` wrote.")
]


def predict(
    folder: OutArgument,
    rows: Annotated[
        list[Path],
        typer.Argument(
            metavar="ROWS",
            help="Files of rows such as the model was searched on: tables, texts, series, arrays; "
            "pictures, folders or archives of them.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write, .csv or .jsonl.", show_default="CSV to standard output"),
    ] = None,
    proba: Annotated[bool, typer.Option("--proba", help="Add each class's probability.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Answer new rows with an exported model: CSV, Parquet, pictures, texts, series, arrays."""
    from automl.predictor.load import load
    from automl.predictor.script import every_answer, write_predictions

    model = load(folder)
    if as_json and out is None:
        render.as_json(every_answer(model, rows, proba))
        return
    written = write_predictions(model, rows, out, proba)
    if as_json:
        render.as_json({"out": str(out), "num_rows": written.num_rows, "notes": written.notes})
        return
    if out is not None:
        print(f"{written.num_rows:,} predictions in {out}")
    for sentence in written.notes:
        print(f"note: {sentence}", file=sys.stderr)


def serve(
    folder: OutArgument,
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default is for this machine only.")
    ] = "127.0.0.1",
    max_mb: Annotated[int, typer.Option(help="Largest body of a request, in MB.", min=1)] = 16,
    as_json: ServingJsonOption = False,
) -> None:
    """Serve an exported model over HTTP, with a page to try it by hand."""
    from automl.predictor import serve as server
    from automl.predictor.load import load

    model = load(folder)
    listening = server.bound(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if as_json:
        render.as_json({"address": address})
    else:
        print(f"{address} to try it by hand, {address}/docs for programs\nCtrl-C ends it.")
    sys.stdout.flush()
    server.serve(model, listening, max_mb * 10**6)
