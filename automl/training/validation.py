"""The validation rows of a training, answered by its model in the users' units."""

from __future__ import annotations

import torch

from automl import quality
from automl.models.deployed import Deployed, predict
from automl.models.family import Network
from automl.recipe import Context
from automl.training.feed import held


class Validation:
    """Measures a model on the validation rows, while it learns."""

    def __init__(self, model: Network, context: Context) -> None:
        data = context.data
        self.model = Deployed(model, data.info).to(context.device)
        on_device = held(data.validation, context.device)
        self.rows = torch.from_numpy(data.validation.inputs) if on_device is None else on_device
        self.targets = data.validation.targets

    def metrics(self) -> dict[str, float]:
        """Every metric of the task."""
        return quality.measured(predict(self.model, self.rows).cpu().numpy(), self.targets)
