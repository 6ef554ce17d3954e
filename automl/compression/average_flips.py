"""Test-time augmentation: an image is answered with its mirror image, by the mean of both.

https://arxiv.org/abs/1409.1556, section 3.2
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from automl.data.dataset import DatasetInfo
from automl.errors import UserError
from automl.models.family import Network
from automl.models.possible_network import PossibleNetwork
from automl.recipe import Context, Step


@dataclass(frozen=True)
class AverageFlips(Step):
    """Answer each image by the mean of the answers to it and to its mirror image, left to right.

    The exported file asks the network twice: accuracy for latency, with no weight more. Where a
    mirrored image may be of another class, as a letter may, accuracy is lost. Training after
    this step is as without it.
    """

    compresses: ClassVar[bool] = False
    calls_per_row: ClassVar[int] = 2
    note: ClassVar[str] = (
        "the file answers an image by the mean over it and its mirror image, left to right"
    )

    def check(self, before: tuple[Step, ...]) -> None:
        if any(isinstance(step, AverageFlips) for step in before):
            raise UserError(f"step {self.label!r}: an earlier step averages over flips already")

    def check_data(self, info: DatasetInfo) -> None:
        if len(info.input_shape) != 3:
            raise UserError(
                f"step {self.label!r} mirrors images, and rows of this dataset have the shape "
                f"{info.input_shape}; leave the step out"
            )

    def apply(self, network: Network, context: Context) -> Network:
        averaging = Network(replace(network.spec, averages_flips=True))
        averaging.load_state_dict(network.state_dict())
        return averaging.to(context.device).eval()

    def after(self, network: PossibleNetwork) -> list[PossibleNetwork]:
        return [network.with_work_doubled()]

    def work(self, before: float, after: float, teacher: float, num_rows: int) -> float:
        return 0.0
