"""Models of the front in MLflow's registry, under the search's name: the very files that ship."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from automl.runtimes import onnx
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.tracking.aliases import aliases, in_words
from automl.tracking.views import REGISTERED_MODEL, UNREGISTERED, loading

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

    from automl.tracking.mlflow_runs import Runs

FILE = "model.onnx"
SEARCH_TAG = "automl_search_id"
"""The tag of a registered model that holds the id of its search."""
REFUSALS = {
    "ENDPOINT_NOT_FOUND": "the server lacks a request that models are registered by; it may be "
    "older than MLflow 3",
    "PERMISSION_DENIED": "the server does not let this user register models",
}
"""What a server says for good to whom it lets write runs, in words."""
REQUIREMENTS = ["onnxruntime>=1.20", "onnx", "numpy"]


@dataclass(frozen=True)
class Shipped:
    """The file of a trial, and raw rows (rows, *the shape of a row) to try it with."""

    file: bytes
    rows: NDArray[np.generic]


@dataclass(frozen=True)
class Registry:
    """A search's registered model; `versions` are the existing ones, by run."""

    client: MlflowClient
    experiment: str
    name: str
    versions: dict[str, str]

    def add(self, record: TrialRecord, run_id: str, ended: int, shipped: Shipped) -> None:
        """Log a model on its trial's run, which ended at `ended`, and register it, unless that
        is done."""
        if run_id in self.versions:
            return
        model_id, location = self._log(record, run_id, ended, shipped)
        version = self.client.create_model_version(
            self.name,
            # Under `models:/…` a database would be looked for at the process's global address.
            source=location,
            run_id=run_id,
            tags={"automl.trial_id": record.trial_id},
            description=f"Trial {record.trial_id}: {in_words(record)}.",
            await_creation_for=0,
            model_id=model_id,
        )
        self.versions[run_id] = version.version

    def _log(
        self, record: TrialRecord, run_id: str, ended: int, shipped: Shipped
    ) -> tuple[str, str]:
        """Log a model with its figures; returns its id and where its files are."""
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric

        client, of_run = self.client, f"source_run_id = '{run_id}'"
        for half_done in client.search_logged_models([self.experiment], of_run):
            client.delete_logged_model(half_done.model_id)
        model = client.create_logged_model(self.experiment, f"trial-{record.trial_id}", run_id)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch, "model")
            _save(folder, shipped, run_id, model)
            client.log_model_artifacts(model.model_id, str(folder))
            client.log_artifact(run_id, str(folder / FILE))
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
        # At the time that they have on the run: else it would have them twice.
        figures = [
            Metric(name, value, ended, 0, model_id=model.model_id)
            for name, value in record.values.items()
        ]
        client.log_batch(run_id, figures)
        client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
        return model.model_id, model.artifact_location

    def set_alias(self, alias: str, run_id: str) -> None:
        """Give the version of a run an alias; nothing without a version."""
        if run_id in self.versions:
            self.client.set_registered_model_alias(self.name, alias, self.versions[run_id])


def register(runs: Runs, study: Study, shipped: Callable[[TrialRecord], Shipped | None]) -> None:
    """Have every member of the front registered, and the aliases where they belong; but for trials
    whose end the server lacks, or whose run a user deleted. The study keeps why a server refuses.
    """
    from mlflow.exceptions import MlflowException

    refusal = ""
    try:
        _register(runs, study, shipped)
    except MlflowException as error:
        if error.error_code not in REFUSALS:
            raise
        refusal = REFUSALS[error.error_code]
    study.set_attribute(UNREGISTERED, refusal)


def _register(runs: Runs, study: Study, shipped: Callable[[TrialRecord], Shipped | None]) -> None:
    named = aliases(study)
    if not named:
        return
    registry = open_registry(runs.client, runs.experiment, study)
    for trial, record in {r.trial_id: r for r in (*study.front().members, *named.values())}.items():
        has_run = trial in runs.trials and trial in runs.ended
        if has_run and (model := shipped(record)) is not None:
            registry.add(record, runs.trials[trial], runs.ended[trial], model)
    for alias, record in named.items():
        if record.trial_id in runs.trials:
            registry.set_alias(alias, runs.trials[record.trial_id])


def open_registry(client: MlflowClient, experiment: str, study: Study) -> Registry:
    """The registered model of a search, made if need be.

    It has the search's name. Where another search has that, as of another home or user, the name
    of who began this one comes behind, then a number.
    """
    search = study.attribute("mlflow_search")
    own = client.search_registered_models(f"tags.{SEARCH_TAG} = '{search}'")
    name = own[0].name if own else _new_model(client, study, search)
    study.set_attribute(REGISTERED_MODEL, name)
    found = client.search_model_versions(f"name = '{name}'", max_results=10_000)
    return Registry(client, experiment, name, {v.run_id: v.version for v in found if v.run_id})


def _new_model(client: MlflowClient, study: Study, search: str) -> str:
    """Make a registered model under the first name that is free; returns the name."""
    by_user = "-".join(filter(None, (study.name, study.attribute("user"))))
    numbered = (f"{by_user}-{number}" for number in itertools.count(2))
    for name in itertools.chain([study.name, by_user], numbered):
        if not client.search_registered_models(f"name = '{name}'"):
            break
    client.create_registered_model(
        name,
        {SEARCH_TAG: search},
        f"Models of the search `{study.name}`: its front. To load one: "
        f"{loading(client.tracking_uri, name)}.",
    )
    return name


def _save(folder: Path, shipped: Shipped, run_id: str, model: LoggedModel) -> None:
    """A folder that MLflow loads, as onnx and as pyfunc."""
    import mlflow.onnx
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    signature = onnx.signature(onnx.session(shipped.file))
    rows = np.dtype(np.int64 if signature.is_text else np.float32)
    # Without a name, so that pyfunc takes an array as it is.
    row_shape = (-1,) if signature.takes_shorter else signature.row_shape
    takes = TensorSpec(rows, (-1, *row_shape))
    gives = TensorSpec(np.dtype(np.float32), (-1, signature.num_outputs), signature.output)
    mlflow.onnx.save_model(
        shipped.file,
        str(folder),
        mlflow_model=Model(
            artifact_path=model.artifact_location,
            run_id=run_id,
            model_uuid=model.model_id,
            model_id=model.model_id,
        ),
        signature=ModelSignature(Schema([takes]), Schema([gives])),
        input_example=shipped.rows.astype(rows),
        pip_requirements=REQUIREMENTS,
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=False,
    )
    (folder / FILE).write_bytes(shipped.file)
