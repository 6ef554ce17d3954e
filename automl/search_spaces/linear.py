"""The smallest example, a regression: a noisy linear map y = Wx + b, of lower rank, quantized."""

from automl import (
    SGD,
    AdamW,
    Exponential,
    Factorize,
    Fixed,
    Float,
    GradientDescent,
    Int,
    Linear,
    LinearMap,
    OneOf,
    Quantize,
    Space,
    Train,
    TrialConfig,
)

space = Space(
    TrialConfig(
        dataset=LinearMap(num_inputs=64, num_outputs=10),
        model=Linear(),
        recipe=(
            Train(
                optimizer=OneOf(GradientDescent(), SGD(), AdamW(weight_decay=0.0)),
                learning_rate=OneOf(
                    Fixed(Float(1e-3, 0.1, log=True)),
                    Exponential(Float(1e-2, 0.3, log=True), factor=0.1),
                ),
                epochs=20,
            ),
            OneOf(None, Factorize(linear="pca", rank=Int(2, 8))),
            OneOf(None, Quantize(bits=8)),
        ),
    ),
    objectives=("rmse", "size_bytes", "latency_ms"),
)
