"""The `predict.py` of an export: the functions that read and answer rows, put into one file."""

from __future__ import annotations

from automl.measure.standalone_script import standalone_script
from automl.predictor import script
from automl.predictor.load import READERS

HEADER = '''"""Predictions of the model in this folder, for rows as they come.

Usage: python predict.py ROWS [--out FILE] [--proba]. Needs numpy and onnxruntime{more}.
"""

from __future__ import annotations
'''


def predict_script(kind: str) -> str:
    """The text of a program that needs no automl, for rows of this kind."""
    read = READERS[kind]
    header = HEADER.format(more=", and Pillow" if kind == "image" else "")
    functions = {read.__module__: read.__name__, script.__name__: script.main.__name__}
    run = f"main(Path(__file__).parent, {read.__name__})"
    return standalone_script(header, functions, run)
