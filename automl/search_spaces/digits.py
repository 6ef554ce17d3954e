"""Handwritten digits (scikit-learn): an MLP or a ConvNet, trained, cut, quantized."""

from automl import (
    MLP,
    AdamW,
    ConvNet,
    Cosine,
    CrossEntropy,
    Distill,
    Fixed,
    Float,
    Int,
    Nesterov,
    OneOf,
    Prune,
    Quantize,
    Repeat,
    Sklearn,
    Space,
    Staircase,
    Train,
    TrialConfig,
    Warmup,
)

train = Train(
    optimizer=OneOf(AdamW(weight_decay=Float(1e-3, 1e-1, log=True)), Nesterov()),
    learning_rate=OneOf(
        Warmup(Cosine(peak=Float(3e-3, 3e-2, log=True))),
        Fixed(Float(1e-3, 1e-2, log=True)),
    ),
    batch_size=OneOf(Fixed(OneOf(32, 64)), Staircase(initial=32, factor=2, stairs=3)),
    epochs=20,
)
fine_tune = Train(
    label="fine_tune",
    learning_rate=Warmup(Cosine(peak=Float(1e-3, 1e-2, log=True))),
    epochs=10,
    loss=OneOf(CrossEntropy(), Distill(teacher="train", temperature=Float(2.0, 6.0))),
)

space = Space(
    TrialConfig(
        dataset=Sklearn("digits"),
        model=OneOf(
            MLP(widths=Repeat(Int(16, 128, step=8), Int(1, 2))),
            ConvNet(channels=Repeat(Int(16, 48, step=8), Int(2, 3))),
        ),
        recipe=(
            train,
            OneOf(None, (Prune(fraction=Float(0.25, 0.75)), fine_tune), label="shrink"),
            OneOf(None, Quantize(bits=OneOf(8, 4, 2))),
        ),
    ),
    objectives=("accuracy", "size_bytes", "latency_ms"),
)
