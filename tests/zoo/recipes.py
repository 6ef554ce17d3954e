"""The recipes that every module of the zoo goes through; all begin with the same training."""

from __future__ import annotations

from automl.compression.binarize import Binarize
from automl.compression.clip import Clip
from automl.compression.factorize import Factorize
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.compression.remove_layers import RemoveLayers
from automl.recipe import Step
from automl.training.loop import Train
from automl.training.schedules import Cosine, Fixed, Warmup

TRAIN = Train(epochs=8, batch_size=Fixed(32))
CUT = {"fraction": 0.5, "fine_tune_epochs": 3, "learning_rate": Warmup(Cosine(3e-3))}
CLIPPED = 0.5

COMPRESSIONS: dict[str, tuple[Step, ...]] = {
    "train": (),
    "prune": (Prune(**CUT),),
    "prune_global": (Prune(**CUT, scope="global"),),
    "factorize": (Factorize(share=0.5),),
    "remove_layers": (RemoveLayers(),),
    "clip": (Clip(fraction=CLIPPED),),
    "binarize": (Binarize(epochs=3, batch_size=Fixed(32)),),
    "bits8": (Quantize(),),
    "bits4": (Quantize(bits=4),),
    "bits2": (Quantize(bits=2),),
    "bits1": (Quantize(bits=1),),
    "prune_bits8": (Prune(**CUT), Quantize()),
}
RECIPES = {name: (TRAIN, *steps) for name, steps in COMPRESSIONS.items()}
BITS = {"bits8": 8, "bits4": 4, "bits2": 2, "bits1": 1, "binarize": 1, "prune_bits8": 8}
"""The bits that a weight may have after a recipe."""
