"""The space of `measuring.py`: a trial sleeps, and its quality takes two seconds to measure."""

import time
from dataclasses import dataclass
from typing import ClassVar

from automl.data.sklearn import Sklearn
from automl.models.family import Network
from automl.models.mlp import MLP
from automl.quality import Metric, Outputs, Targets
from automl.recipe import Context, Step
from automl.space.domains import Float, Int
from automl.space.space import Space, TrialConfig

METRIC_SECONDS = 2.0


class TopLogit(Metric):
    """The share of rows whose highest logit is the target's, looked at for two seconds."""

    def __call__(self, outputs: Outputs, targets: Targets) -> float:
        time.sleep(METRIC_SECONDS)
        return float((outputs.argmax(1) == targets).mean())


@dataclass(frozen=True)
class Sleep(Step):
    seconds: float
    compresses: ClassVar[bool] = False

    def apply(self, model: Network, context: Context) -> Network:
        time.sleep(self.seconds)
        return model


space = Space(
    TrialConfig(
        dataset=Sklearn("digits"),
        # Hardly two trials are of one width, and so of one structure.
        model=MLP((Int(8, 2007),)),
        recipe=(Sleep(Float(3.9, 4.1)),),
    ),
    objectives=("accuracy", "size_bytes", "latency_ms"),
)
