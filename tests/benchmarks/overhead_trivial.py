"""The space of `overhead.py`: a trial learns a linear map for an epoch, and shares nothing."""

from automl.data.linear_map import LinearMap
from automl.models.linear import Linear
from automl.space.domains import Float
from automl.space.space import Space, TrialConfig
from automl.training.loop import Train
from automl.training.schedules import Fixed

space = Space(
    TrialConfig(
        dataset=LinearMap(num_inputs=8, num_outputs=2, num_rows=200),
        model=Linear(),
        recipe=(Train(learning_rate=Fixed(Float(1e-3, 0.1, log=True)), epochs=1),),
    ),
    objectives=("rmse", "size_bytes", "latency_ms"),
)
