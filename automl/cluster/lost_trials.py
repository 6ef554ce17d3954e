"""Lost trials go on before new ones start: Tune would put them at the end of its queue."""

from __future__ import annotations

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from automl.cluster import ray_patches


class LostTrialsFirst(FIFOScheduler):
    """Gives the next free slot to a trial whose actor was lost, if there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: list[Trial] = []

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        self.lost.append(trial)
        self.controller = tune_controller

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        self.lost = [trial for trial in self.lost if trial.status == Trial.PENDING]
        if not self.lost:
            return super().choose_trial_to_run(tune_controller)
        ray_patches.move_ahead(self.controller, self.lost)
        return self.lost[0]
