"""An exported file in another version of ONNX's operators, for runtimes that do not know ours."""

from __future__ import annotations

import onnx
from onnx import version_converter

from automl.errors import Rejected, UserError, described
from automl.export.onnx import OPSET

LEAST = 13
"""The first version in which a scale may stand for each channel."""
NEWEST = onnx.defs.onnx_opset_version()


def with_opset(file: bytes, opset: int) -> bytes:
    """The file with operators of that version.

    Raises UserError on a version that is none, Rejected where an operator has no equal there.
    """
    if not LEAST <= opset <= NEWEST:
        raise UserError(f"--opset {opset}: give one from {LEAST} to {NEWEST}, e.g. {OPSET}")
    proto = onnx.load_from_string(file)
    try:
        converted = version_converter.convert_version(proto, opset)
    except Exception as error:
        raise Rejected(f"has no equal in that version: {described(error)}") from error
    del converted.metadata_props[:]
    converted.metadata_props.extend(proto.metadata_props)
    # The converter drops functions, which weights of few bits and sparse ones are made by.
    del converted.functions[:]
    converted.functions.extend(proto.functions)
    changed: bytes = converted.SerializeToString()
    return changed
