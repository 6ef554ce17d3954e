"""The space of the joint table: architecture, training, pruning and bits on digits."""

from automl import (
    MLP,
    AdamW,
    ConvNet,
    Cosine,
    Fixed,
    Int,
    Nesterov,
    OneOf,
    Prune,
    Quantize,
    Repeat,
    Sklearn,
    Space,
    Train,
    TrialConfig,
    Warmup,
)

train = Train(
    optimizer=OneOf(AdamW(), Nesterov()),
    learning_rate=Warmup(Cosine(peak=OneOf(0.001, 0.005, 0.025))),
    batch_size=Fixed(OneOf(32, 64)),
    epochs=18,
)
fine_tune = Train(label="fine_tune", learning_rate=Warmup(Cosine(0.005)), epochs=9)

space = Space(
    TrialConfig(
        dataset=Sklearn("digits"),
        model=OneOf(
            MLP(widths=Repeat(Int(32, 96, step=64), Int(1, 2))),
            ConvNet(channels=Repeat(Int(16, 32, step=16), Int(2, 3))),
        ),
        recipe=(
            train,
            OneOf(None, (Prune(fraction=OneOf(0.5, 0.75), multiple=4), fine_tune), label="shrink"),
            OneOf(None, Quantize(bits=OneOf(8, 4, 2))),
        ),
    ),
    objectives=("accuracy", "size_bytes", "latency_ms"),
)
