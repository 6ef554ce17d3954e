"""A user's own files under mypy: a space file and a script against the types of the package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SPACE = """
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from automl import MLP, AdamW, Context, Cosine, Fixed, Float, Imported, Int, Network, OneOf
from automl import Optimizer, Prune, Quantize, Repeat, Sklearn, Space, Step, Train, TrialConfig
from automl import Warmup


@dataclass(frozen=True)
class Adamax(Optimizer):
    weight_decay: float = 0.0

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adamax(parameters, weight_decay=self.weight_decay)


@dataclass(frozen=True)
class Keep(Step):
    def apply(self, network: Network, context: Context) -> Network:
        return network


def own(width: int = 8) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


space = Space(
    TrialConfig(
        dataset=Sklearn("digits"),
        model=OneOf(MLP(widths=Repeat(Int(16, 64, step=8), Int(1, 3))), Imported(own)),
        recipe=(
            Train(
                optimizer=OneOf(AdamW(weight_decay=Float(1e-3, 0.1, log=True)), Adamax()),
                learning_rate=Warmup(Cosine(Float(1e-3, 1e-1, log=True))),
                batch_size=Fixed(OneOf(32, 64)),
                epochs=10,
            ),
            OneOf(None, (Prune(Float(0.2, 0.7)), Train(label="fine_tune")), label="shrink"),
            OneOf(None, Quantize(bits=OneOf(8, 4))),
        ),
    ),
    objectives=("accuracy", "size_bytes", "latency_ms"),
    constraints=("size_bytes<=20000",),
)
"""
SCRIPT = """
import automl
from automl import Model, Search, Space
from my_space import space

chosen: Space = space
search: Search = automl.search(chosen, name="digits", trials=3, until="accuracy>=0.9")
print(search.front().head())
best = search.best("accuracy")
print(best.trial_id, best.measurement["size_bytes"])
exported = search.export("out", best="accuracy", where="size_bytes<=20000")
print(exported.figures.test["accuracy"])
model: Model = automl.load("out")
print(model.predict([[0.0] * 64]).tolist(), model.predict_proba("rows.npy").shape)
"""
MISTAKES = """
import automl

search = automl.search("digits", trials=3)
search.frond()
automl.Spaces
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_users_space_and_script_are_strictly_typed_and_mistakes_are_found(tmp_path):
    """As an installed package: what mypy finds in the package itself is not told."""
    for name, text in {"my_space": SPACE, "script": SCRIPT, "mistakes": MISTAKES}.items():
        (tmp_path / f"{name}.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "my_space.py", "script.py", "mistakes.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    *told, _ = done.stdout.splitlines()
    assert [line.split(":")[:2] for line in told] == [["mistakes.py", "5"], ["mistakes.py", "6"]]
    assert '"Search" has no attribute "frond"' in told[0]
    assert 'has no attribute "Spaces"' in told[1]
