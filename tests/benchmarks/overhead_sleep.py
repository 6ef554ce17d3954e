"""The space of `overhead.py` for its bookkeeping: a trial sleeps for a second."""

import time
from dataclasses import dataclass
from typing import ClassVar

from automl.data.linear_map import LinearMap
from automl.models.family import Network
from automl.models.linear import Linear
from automl.recipe import Context, Step
from automl.space.domains import Float
from automl.space.space import Space, TrialConfig


@dataclass(frozen=True)
class Sleep(Step):
    seconds: float
    compresses: ClassVar[bool] = False

    def apply(self, model: Network, context: Context) -> Network:
        time.sleep(self.seconds)
        return model


space = Space(
    TrialConfig(
        dataset=LinearMap(num_inputs=8, num_outputs=2, num_rows=200),
        model=Linear(),
        recipe=(Sleep(Float(0.999, 1.001)),),
    ),
    objectives=("rmse", "size_bytes", "latency_ms"),
)
