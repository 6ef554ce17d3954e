"""Each runtime that a space may name, held to what a search asks of it."""

import pytest
from helpers.registered import ours

from automl.errors import UserError
from automl.export import onnx
from automl.export.executorch import MAX_BATCH
from automl.measure.latency import alone, timed
from automl.models.mlp import MLP
from automl.runtimes.own_formats import ExecuTorch, LiteRT
from automl.space.runtime import Runtime
from automl.trial.checked_format import in_formats


@pytest.mark.parametrize("kind", ours(Runtime))
def test_a_runtime_times_a_call_of_several_rows_or_says_what_is_missing(kind, build, context):
    most = {LiteRT: 1, ExecuTorch: MAX_BATCH}.get(kind, 3)
    runtime = kind(threads=2, batch=most)
    runtime.check_ranges()
    assert runtime.name == runtime.name.lower() and not runtime.is_one_thread
    try:
        runtime.check_here()
    except UserError as missing:
        pytest.skip(str(missing))
    row, network = context.data.validation.inputs[:1], build(MLP((16,)))
    make = in_formats(network, context.data)
    file = make(runtime.format) if runtime.format else onnx.export(network, context.data)
    timing = timed(file, row, alone(runtime))
    assert timing.latency.value > 0 and timing.load.value > 0


@pytest.mark.parametrize("runtime", [LiteRT(batch=2), ExecuTorch(batch=MAX_BATCH + 1)])
def test_more_rows_than_a_file_takes_are_refused(runtime):
    with pytest.raises(UserError, match=f"its files take at most {runtime.batch - 1} at a time"):
        runtime.check_ranges()
