"""A model for LiteRT, `model.tflite`: a row at a time, with integers where the network has them."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings

import torch

from automl.data.optional_packages import package
from automl.errors import Rejected, UserError, described
from automl.export.integer_programs import in_words, know_operators, traced_with_integers
from automl.export.taken import Chosen, Made, example_line
from automl.export.traced import deployed_copy, example_rows

FILE = "model.tflite"
CONVERTER = "litert-torch==0.10.0 litert-converter==0.5.0 xdsl==0.28.0"
"""Installed without what they require: xdsl asks for an old typing-extensions, which it works
without and which pydantic refuses."""
CARD = """`{file}` is the same model for LiteRT (TensorFlow Lite), for one row at a time{integers}.

```python
import numpy
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter("{file}")
interpreter.allocate_tensors()
(taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
interpreter.set_tensor(taken["index"], {rows}.astype(taken["dtype"]))
interpreter.invoke()
print(interpreter.get_tensor(given["index"]))
```"""


def check(user: str = "--format litert") -> None:
    """Raise UserError, which names what needs it, where LiteRT or its converter is missing."""
    package("ai_edge_litert.interpreter", user, "litert")
    if importlib.util.find_spec("litert_torch") is None:
        raise UserError(
            f"{user} needs the package 'litert_torch'; install it: pip install "
            f"'frontier-automl[litert]', then pip install --no-deps {CONVERTER}"
        )


def make(chosen: Chosen) -> Made:
    """The network converted for LiteRT. Raises Rejected where it cannot be."""
    deployed, rows = deployed_copy(chosen.network, chosen.data), example_rows(chosen.data, 1)
    know_operators()
    traced = traced_with_integers(deployed, rows, 1, "LiteRT", has_codes=False)
    try:
        module = traced.program.module()
        # It was traced for evaluation, and knows no other way.
        module.training = False
        file = _converted(module, rows, bool(traced.integers))
    except Exception as error:
        raise Rejected(f"cannot be converted for LiteRT: {described(error)}") from error
    card = CARD.format(
        file=FILE,
        rows=example_line(chosen.data, "numpy"),
        integers="; ids of texts are int32" if chosen.data.info.num_tokens else "",
    )
    return Made({FILE: file}, card, in_words(traced, FILE, "LiteRT"), bool(traced.integers))


def _converted(module: torch.nn.Module, rows: torch.Tensor, has_integers: bool) -> bytes:
    """The bytes of a file for LiteRT, without what its converter prints meanwhile."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        import litert_torch
        from litert_torch.quantize.pt2e_quantizer import (
            PT2EQuantizer,
            get_symmetric_quantization_config,
        )
        from litert_torch.quantize.quant_config import QuantConfig

        # The quantizer itself is not asked: it has the converter fuse what the program spells.
        quantizer = PT2EQuantizer().set_global(get_symmetric_quantization_config())
        fused = QuantConfig(pt2e_quantizer=quantizer) if has_integers else None
        return bytes(litert_torch.convert(module, (rows,), quant_config=fused).model_content())
