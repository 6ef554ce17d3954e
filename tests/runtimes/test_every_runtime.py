"""Each runtime that a space may name, held to what a search asks of it."""

import pytest
from helpers.registered import ours

from automl.errors import UserError
from automl.export import onnx
from automl.measure.latency import alone, timed
from automl.models.mlp import MLP
from automl.space.runtime import Runtime


@pytest.mark.parametrize("kind", ours(Runtime))
def test_a_runtime_times_a_call_of_several_rows_or_says_what_is_missing(kind, build, context):
    runtime = kind(threads=2, batch=3)
    assert runtime.name == runtime.name.lower() and not runtime.is_one_thread
    try:
        runtime.check_here()
    except UserError as missing:
        pytest.skip(str(missing))
    row = context.data.validation.inputs[:1]
    timing = timed(onnx.export(build(MLP((16,))), context.data), row, alone(runtime))
    assert timing.latency.value > 0 and timing.load.value > 0
