"""Series (scikit-learn's digits, read as eight steps of eight channels), cut and quantized.

For series of your own: automl search my.ts; or, to search them with this space,
--set dataset='{"type": "Series", "path": "my.ts"}'
"""

from automl import (
    AdamW,
    ConvNet1d,
    Cosine,
    Float,
    Int,
    Nesterov,
    OneCycle,
    OneOf,
    Prune,
    Quantize,
    RandomErasing,
    Repeat,
    Shift,
    Sklearn,
    Space,
    Train,
    Transformer,
    TransformerLayer,
    TrialConfig,
    Warmup,
)

space = Space(
    TrialConfig(
        dataset=Sklearn("digits", shape=(8, 8)),
        model=OneOf(
            ConvNet1d(channels=Repeat(Int(16, 48, step=8), Int(2, 3)), kernel_size=OneOf(3, 5)),
            Transformer(layers=Repeat(TransformerLayer(heads=Int(1, 4)), Int(1, 2))),
        ),
        recipe=(
            Train(
                optimizer=OneOf(AdamW(), Nesterov()),
                learning_rate=OneOf(
                    Warmup(Cosine(Float(1e-3, 1e-2, log=True))),
                    OneCycle(Float(3e-3, 3e-2, log=True)),
                ),
                augmentations=(OneOf(None, Shift(1)), OneOf(None, RandomErasing(0.2))),
                epochs=20,
            ),
            OneOf(
                None, (Prune(Float(0.25, 0.75)), Train(label="fine_tune", epochs=8)), label="shrink"
            ),
            OneOf(None, Quantize(bits=8)),
        ),
    ),
    objectives=("accuracy", "size_bytes", "latency_ms"),
)
