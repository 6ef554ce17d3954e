"""Command `python -m automl.measure FILE`, which measures a file where only onnxruntime is."""

import json
import sys
from pathlib import Path

from automl.measure.measurement import machine, measure_file

if __name__ == "__main__":
    print(json.dumps({**measure_file(Path(sys.argv[1])), **machine()}))
