"""Complaints of torch's exporter, in our own sentences."""

from __future__ import annotations

import linecache
import re
from pathlib import Path
from types import TracebackType

import torch

from automl.errors import described

OPERATOR = re.compile(r"No ONNX function found for <OpOverload\(op='\w+\.(\w+)'")
FIXED_ROWS = (
    "its forward fixes the number of rows, by a loop over them or as a plain number; "
    "take `x.shape[0]`, and work on all rows at once"
)
TORCH = Path(torch.__file__).parent


def complaint(error: BaseException) -> str:
    """An exporter's error as the end of a sentence: the reason, and the line of the user's code
    where it is known."""
    while error.__cause__ is not None:
        error = error.__cause__
    text, where = str(error), _place(error.__traceback__)
    if "data-dependent" in text:
        return (
            f"its forward goes on by the values of its input{where}, which a file cannot; "
            "compute both ways and choose with torch.where"
        )
    operator = OPERATOR.search(text)
    if operator is None:
        return f"torch's exporter stops{where} with {described(error)}"
    of = " of complex numbers" if "complex-valued" in text else ""
    name = operator.group(1).strip("_")
    return f"it uses {name!r}{of}, which has no operator in ONNX; write it in another way"


def _place(traceback: TracebackType | None) -> str:
    """The last line of a traceback that is neither torch's own nor ours."""
    found = ""
    while traceback is not None:
        frame, line = traceback.tb_frame, traceback.tb_lineno
        file, package = Path(frame.f_code.co_filename), frame.f_globals.get("__name__", "")
        if TORCH not in file.parents and package.split(".")[0] != "automl":
            code = linecache.getline(str(file), line, frame.f_globals).strip()
            found = f" at line {line} of {file.name}" + (f" (`{code}`)" if code else "")
        traceback = traceback.tb_next
    return found
