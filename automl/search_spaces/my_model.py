"""Compress a module that you have: replace `net` by your own, and name its weights.

With Imported(net, weights="net.safetensors"), and without Train and the Distill that names it,
it is compressed as it is.
"""

from torch import nn

from automl import (
    Cosine,
    Distill,
    Float,
    Imported,
    OneOf,
    Prune,
    Quantize,
    Sklearn,
    Space,
    Train,
    TrialConfig,
    Warmup,
)


def net() -> nn.Module:
    """Eight by eight grey pixels to ten logits."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.GELU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


fine_tune = Train(label="fine_tune", epochs=8, loss=OneOf(None, Distill(teacher="train")))

space = Space(
    TrialConfig(
        dataset=Sklearn("digits"),
        model=Imported(net),
        recipe=(
            Train(learning_rate=Warmup(Cosine(Float(1e-3, 2e-2, log=True))), epochs=15),
            OneOf(None, (Prune(Float(0.25, 0.75)), fine_tune), label="shrink"),
            OneOf(None, Quantize(bits=OneOf(8, 4, 2))),
        ),
    ),
    objectives=("accuracy", "size_bytes", "latency_ms"),
)
