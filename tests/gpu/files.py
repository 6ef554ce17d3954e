"""An exported file, asked through the providers of onnxruntime that are here."""

import numpy as np
from made import FAMILIES, context, data, network, step

from automl.training.optimizers import AdamW
from automl.training.schedules import Fixed

CUDA, PROCESSOR = "CUDAExecutionProvider", "CPUExecutionProvider"
LIMIT = 0.01


def quality_as_on_the_processor(settings):
    """The accuracy of a ConvNet's file on the validation rows, by the device and the processor."""
    import onnxruntime

    from automl.export.onnx import export

    if CUDA not in onnxruntime.get_available_providers() and settings.device != "cpu":
        return {"skipped": f"onnxruntime {onnxruntime.__version__} here has no {CUDA}"}
    provider = PROCESSOR if settings.device == "cpu" else CUDA
    family, shape = FAMILIES["ConvNet"]
    some = data(shape, settings.rows)
    learned = network(family, some)
    train = step(AdamW(), learning_rate=Fixed(0.003), epochs=3)
    for _ in train.run(learned, context(some, settings.device)):
        pass
    file, rows = export(learned, some), some.validation.inputs.astype(np.float32)
    answers = [
        onnxruntime.InferenceSession(file, providers=[one]).run(None, {"input": rows})[0]
        for one in (provider, PROCESSOR)
    ]
    there, here = ((own.argmax(1) == some.validation.targets).mean() for own in answers)
    figures = {"accuracy_there": float(there), "accuracy_here": float(here)}
    return {"ok": bool(abs(there - here) <= LIMIT), "limit": LIMIT, **figures}
