"""A table (scikit-learn's breast cancer): a linear model or an MLP, for classes and numbers.

For a table of your own: automl search my.csv --target y; or, to search it with this space,
--set dataset='{"type": "Table", "path": "my.csv", "target": "y"}'
"""

from automl import (
    MLP,
    Adam,
    AdamW,
    Cosine,
    Fixed,
    Float,
    Int,
    Linear,
    Momentum,
    OneOf,
    Prune,
    Quantize,
    Repeat,
    RMSprop,
    Sklearn,
    Space,
    Train,
    TrialConfig,
    Warmup,
)

rate = Warmup(Cosine(Float(1e-3, 3e-2, log=True)))
train = Train(
    optimizer=OneOf(AdamW(weight_decay=Float(1e-3, 0.1, log=True)), Adam(), Momentum(), RMSprop()),
    learning_rate=rate,
    batch_size=Fixed(OneOf(16, 32)),
    epochs=30,
    mixup=OneOf(0.0, 0.2),
)

space = Space(
    TrialConfig(
        dataset=Sklearn("breast_cancer"),
        model=OneOf(
            Linear(),
            MLP(widths=Repeat(Int(16, 64, step=8), Int(1, 3)), activation=OneOf("relu", "silu")),
        ),
        recipe=(
            train,
            OneOf(
                None,
                (Prune(Float(0.25, 0.75)), Train(label="fine_tune", learning_rate=rate, epochs=10)),
                label="shrink",
            ),
            OneOf(None, Quantize(bits=8)),
        ),
    ),
    objectives=("quality", "size_bytes", "latency_ms"),
)
