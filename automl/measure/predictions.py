"""What an exported file answers, class by class, and where it answers otherwise than another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.dataset import Split
from automl.runtimes import onnx

MAX_LARGEST = 100


def compared(
    before: bytes | None, after: bytes, rows: Split, classes: Sequence[str]
) -> dict[str, Any]:
    """A file's answers on rows, and those of the file that it was compressed from, as plain data.

    Of classes: rows, precision and recall of each, and the confusion (true, answered). `changed`
    holds the rows that are answered otherwise, those that became wrong first; in a regression
    the rows of the largest changes.
    """
    targets = np.asarray(rows.targets)
    outputs = {
        name: onnx.run(onnx.session(file), rows.inputs)
        for name, file in (("before", before), ("after", after))
        if file is not None
    }
    task = _classes if classes else _numbers
    found = task(outputs, targets, list(classes))
    for item in found["changed"]:
        item["row"] = int(rows.rows[item["position"]])
    return {"num_rows": len(targets), **found}


def _classes(
    outputs: dict[str, NDArray[np.float32]], targets: NDArray[Any], names: list[str]
) -> dict[str, Any]:
    answered = {name: logits.argmax(1) for name, logits in outputs.items()}
    confusions = {name: _confusion(own, targets, len(names)) for name, own in answered.items()}
    rates = {name: _rates(confusion) for name, confusion in confusions.items()}
    after = answered["after"]
    before = answered.get("before", after)
    changed = [
        {
            "position": int(i),
            "target": names[targets[i]],
            "before": names[before[i]],
            "after": names[after[i]],
            "became": _became(before[i] == targets[i], after[i] == targets[i]),
        }
        for i in np.flatnonzero(before != after)
    ]
    return {
        "task": "classes",
        "names": names,
        "classes": [
            {"name": name, "rows": int((targets == i).sum()), **_of_class(rates, i)}
            for i, name in enumerate(names)
        ],
        "confusion": {name: confusion.tolist() for name, confusion in confusions.items()},
        "changed": sorted(changed, key=lambda item: item["became"], reverse=True),
    }


def _became(was_right: bool, is_right: bool) -> str:
    return "wrong" if was_right else ("right" if is_right else "otherwise wrong")


def _confusion(answered: NDArray[Any], targets: NDArray[Any], count: int) -> NDArray[np.int64]:
    """(true, answered) counts."""
    flat = np.bincount(targets * count + answered, minlength=count * count)
    return flat.reshape(count, count).astype(np.int64)


def _rates(confusion: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Precision and recall of each class; NaN where none was answered, or is there."""
    hits = confusion.diagonal()
    with np.errstate(invalid="ignore"):
        return {"precision": hits / confusion.sum(0), "recall": hits / confusion.sum(1)}


def _of_class(rates: dict[str, dict[str, NDArray[Any]]], i: int) -> dict[str, float | None]:
    return {
        f"{rate}_{name}": None if np.isnan(values[i]) else float(values[i])
        for name, both in rates.items()
        for rate, values in both.items()
    }


def _numbers(
    outputs: dict[str, NDArray[np.float32]], targets: NDArray[Any], names: list[str]
) -> dict[str, Any]:
    after = outputs["after"].astype(np.float64)
    before = outputs.get("before", after).astype(np.float64)
    change = np.abs(after - before).max(1)
    order = np.argsort(-change, kind="stable")
    return {
        "task": "numbers",
        "outputs": [
            {
                "output": i,
                **{
                    f"rmse_{name}": _rmse(own[:, i], targets[:, i]) for name, own in outputs.items()
                },
            }
            for i in range(targets.shape[1])
        ],
        "rmse": {name: _rmse(own, targets) for name, own in outputs.items()},
        "mean_change": float(change.mean()),
        "changed": [
            {
                "position": int(i),
                "target": targets[i].tolist(),
                "before": before[i].tolist(),
                "after": after[i].tolist(),
            }
            for i in order[:MAX_LARGEST]
            if change[i] > 0
        ],
    }


def _rmse(predicted: NDArray[Any], targets: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean((predicted - targets) ** 2)))
