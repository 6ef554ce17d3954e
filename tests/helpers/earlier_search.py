"""A search in the layout of the version before: `made(folder)`."""

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

SETTINGS = {
    "type": "Settings",
    "space_name": "digits",
    "folder": "",
    "objectives": ["accuracy", "size_bytes"],
    "constraints": [],
    "fixed": {},
    "seed": 0,
    "sampler": "tpe",
    "axes": {"accuracy": {"type": "Axis", "worst": 0.1, "best": 1.0, "log": False}},
    "reference_latency_ms": 1.0,
}


def made(folder):
    """A folder as the version before wrote it, with a trial that ended and a finish."""
    folder.mkdir(parents=True)
    (folder / "space.py").write_text("text")
    (folder / "reference.onnx").write_bytes(b"file")
    study = optuna.create_study(
        study_name=folder.name,
        storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))),
        directions=["maximize", "minimize"],
    )
    study.set_user_attr("settings", SETTINGS)
    study.set_user_attr("earlier", [])
    started = {"draw": 1, "after": 0, "parent": None, "screened": [], "turn": 1}
    result = {"type": "TrialResult", "status": "failed", "reason": "why"}
    course = {"turn": 1, "left": 1, "rungs": {"entries": []}, "result": result}
    attributes = {**started, "course": course}
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs=attributes))
    finish = {"params": {}, "config": "{}", "result": None}
    study.set_user_attr("finish-0", finish)
    return folder
