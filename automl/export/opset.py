"""An exported file in another version of ONNX's operators, for runtimes that do not know ours."""

from __future__ import annotations

import onnx
from onnx import version_converter

from automl.errors import Rejected, UserError, described
from automl.export.onnx import OPSET

LEAST = 13
"""The first version in which a scale may stand for each channel."""
NEWEST = onnx.defs.onnx_opset_version()
FUNCTIONS_IR = 8
"""The first version of the file format that has functions."""


def with_opset(file: bytes, opset: int) -> bytes:
    """The file with operators of that version, in a file format that runtimes of its time read.

    Raises UserError on a version that is none, Rejected where an operator has no equal there.
    """
    if not LEAST <= opset <= NEWEST:
        raise UserError(f"--opset {opset}: give one from {LEAST} to {NEWEST}, e.g. {OPSET}")
    proto = onnx.load_from_string(file)
    try:
        converted = version_converter.convert_version(proto, opset)
        _take_over(converted, proto, opset)
        onnx.checker.check_model(converted)
    except Exception as error:
        raise Rejected(f"has no equal in that version: {described(error)}") from error
    changed: bytes = converted.SerializeToString()
    return changed


def _take_over(converted: onnx.ModelProto, proto: onnx.ModelProto, opset: int) -> None:
    """Put into a converted file what the converter drops, or leaves as it was: the metadata, the
    functions that weights of few bits and sparse ones are made by, and the format's version."""
    del converted.metadata_props[:]
    converted.metadata_props.extend(proto.metadata_props)
    del converted.functions[:]
    converted.functions.extend(proto.functions)
    for function in converted.functions:
        for own in function.opset_import:
            if not own.domain:
                own.version = opset
    least = onnx.helper.find_min_ir_version_for(converted.opset_import, ignore_unknown=True)
    least = max(least, FUNCTIONS_IR) if proto.functions else least
    converted.ir_version = min(proto.ir_version, least)
