"""The command that makes a file of tensors of what torch has saved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl.cli import render
from automl.cli.parameters import JsonOption


def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .pt, .pth or .bin file.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The .safetensors file to write.")],
    as_json: JsonOption = False,
) -> None:
    """Rewrite a PyTorch checkpoint as .safetensors, and run none of its code."""
    from automl.models import weight_files

    left_out = weight_files.convert(file, out)
    if as_json:
        render.as_json({"file": str(out), "left_out": left_out})
        return
    print(f"{out} holds the tensors of {file}")
    if left_out:
        print(f"left out: {', '.join(left_out)}")
