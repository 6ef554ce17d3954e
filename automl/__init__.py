"""Finds the best compressed model for your data: one joint search, on Ray.

A space file or a notebook takes all that it needs from here: `search`, `Space`, `Int`, and every
dataset, model family, optimizer and step by the name of its class. Each name is loaded on first
use, so that `import automl` alone stays light.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # For editors and type checkers: a registered class works without standing here.
    from automl.compression.average_flips import AverageFlips as AverageFlips
    from automl.compression.binarize import Binarize as Binarize
    from automl.compression.clip import Clip as Clip
    from automl.compression.factorize import Factorize as Factorize
    from automl.compression.prune import Prune as Prune
    from automl.compression.quantize import Quantize as Quantize
    from automl.compression.remove_layers import RemoveLayers as RemoveLayers
    from automl.data.dataset import Dataset as Dataset
    from automl.data.hub import HuggingFace as HuggingFace
    from automl.data.hub import Torchvision as Torchvision
    from automl.data.idx import MNIST as MNIST
    from automl.data.idx import FashionMNIST as FashionMNIST
    from automl.data.image_folder import ImageFolder as ImageFolder
    from automl.data.linear_map import LinearMap as LinearMap
    from automl.data.npz import Npz as Npz
    from automl.data.raw_dataset import Column as Column
    from automl.data.raw_dataset import RawDataset as RawDataset
    from automl.data.series import Series as Series
    from automl.data.sklearn import Sklearn as Sklearn
    from automl.data.table import Table as Table
    from automl.data.text import Text as Text
    from automl.engine.api import open_search as open_search
    from automl.engine.api import resume as resume
    from automl.engine.api import search as search
    from automl.engine.api import sync as sync
    from automl.engine.searches import Search as Search
    from automl.errors import Rejected as Rejected
    from automl.errors import UserError as UserError
    from automl.models.convnet import ConvNet as ConvNet
    from automl.models.convnet1d import ConvNet1d as ConvNet1d
    from automl.models.ensemble_mlp import EnsembleMLP as EnsembleMLP
    from automl.models.family import ModelFamily as ModelFamily
    from automl.models.family import Network as Network
    from automl.models.gated_convnet import GatedConvNet as GatedConvNet
    from automl.models.gated_convnet import GatedStage as GatedStage
    from automl.models.imported import Imported as Imported
    from automl.models.layer_edits import LayerEdit as LayerEdit
    from automl.models.linear import Linear as Linear
    from automl.models.mlp import MLP as MLP
    from automl.models.mobilenet import MobileNet as MobileNet
    from automl.models.mobilenet import MobileNetStage as MobileNetStage
    from automl.models.pretrained import Pretrained as Pretrained
    from automl.models.resnet import ResNet as ResNet
    from automl.models.resnet import ResNetStage as ResNetStage
    from automl.models.transformer import Transformer as Transformer
    from automl.models.transformer import TransformerLayer as TransformerLayer
    from automl.predictor.load import load as load
    from automl.predictor.model import Model as Model
    from automl.quality import Metric as Metric
    from automl.recipe import Context as Context
    from automl.recipe import Report as Report
    from automl.recipe import Sibling as Sibling
    from automl.recipe import Step as Step
    from automl.runtimes.onnx import OnnxRuntime as OnnxRuntime
    from automl.runtimes.own_formats import ExecuTorch as ExecuTorch
    from automl.runtimes.own_formats import LiteRT as LiteRT
    from automl.space.domains import Float as Float
    from automl.space.domains import Int as Int
    from automl.space.domains import OneOf as OneOf
    from automl.space.domains import Repeat as Repeat
    from automl.space.runtime import Runtime as Runtime
    from automl.space.space import Space as Space
    from automl.space.space import TrialConfig as TrialConfig
    from automl.training.augmentation import Augmentation as Augmentation
    from automl.training.augmentation import Flip as Flip
    from automl.training.augmentation import RandomErasing as RandomErasing
    from automl.training.augmentation import Shift as Shift
    from automl.training.averaging import EMA as EMA
    from automl.training.averaging import SWA as SWA
    from automl.training.averaging import Average as Average
    from automl.training.distillation import Distill as Distill
    from automl.training.distillation import Joint as Joint
    from automl.training.distillation import Mutual as Mutual
    from automl.training.distillation import Taught as Taught
    from automl.training.image_augmentation import Affine as Affine
    from automl.training.image_augmentation import Colour as Colour
    from automl.training.image_augmentation import RandAugment as RandAugment
    from automl.training.loop import Train as Train
    from automl.training.losses import CrossEntropy as CrossEntropy
    from automl.training.losses import Loss as Loss
    from automl.training.losses import MeanSquaredError as MeanSquaredError
    from automl.training.mixing import Cutmix as Cutmix
    from automl.training.mixing import Mixing as Mixing
    from automl.training.optimizers import SGD as SGD
    from automl.training.optimizers import Adadelta as Adadelta
    from automl.training.optimizers import Adagrad as Adagrad
    from automl.training.optimizers import Adam as Adam
    from automl.training.optimizers import AdamW as AdamW
    from automl.training.optimizers import GradientDescent as GradientDescent
    from automl.training.optimizers import Momentum as Momentum
    from automl.training.optimizers import Muon as Muon
    from automl.training.optimizers import Nesterov as Nesterov
    from automl.training.optimizers import Optimizer as Optimizer
    from automl.training.optimizers import RMSprop as RMSprop
    from automl.training.parallel import DataParallel as DataParallel
    from automl.training.parallel import Parallelism as Parallelism
    from automl.training.parallel import SingleDevice as SingleDevice
    from automl.training.parameter_server import ParameterServer as ParameterServer
    from automl.training.pipeline import Pipeline as Pipeline
    from automl.training.schedules import Clipped as Clipped
    from automl.training.schedules import Cosine as Cosine
    from automl.training.schedules import Exponential as Exponential
    from automl.training.schedules import Fixed as Fixed
    from automl.training.schedules import OneCycle as OneCycle
    from automl.training.schedules import Ramp as Ramp
    from automl.training.schedules import Random as Random
    from automl.training.schedules import Schedule as Schedule
    from automl.training.schedules import Staircase as Staircase
    from automl.training.schedules import Warmup as Warmup
    from automl.training.sharded import Sharded as Sharded
    from automl.training.sharded import TensorParallel as TensorParallel
    from automl.training.trainable import Everything as Everything
    from automl.training.trainable import Gradual as Gradual
    from automl.training.trainable import Head as Head
    from automl.training.trainable import LoRA as LoRA
    from automl.training.trainable import Trainable as Trainable

HOMES = {
    **dict.fromkeys(("search", "resume", "open_search", "sync"), "engine.api"),
    **dict.fromkeys(("UserError", "Rejected"), "errors"),
    "Search": "engine.searches",
    "load": "predictor.load",
    "Model": "predictor.model",
    **dict.fromkeys(("Int", "Float", "OneOf", "Repeat"), "space.domains"),
    **dict.fromkeys(("Context", "Report"), "recipe"),
    "Network": "models.family",
    "Metric": "quality",
    **dict.fromkeys(("RawDataset", "Column"), "data.raw_dataset"),
}
"""The modules of the names that are no classes of a space."""


if not TYPE_CHECKING:
    # A type checker is to miss a name that stands nowhere above.

    def __getattr__(name: str) -> Any:
        """A name of this package. Raises AttributeError where there is none."""
        if name in HOMES:
            return getattr(importlib.import_module(f"automl.{HOMES[name]}"), name)
        if name[:1].isupper():
            from automl.config import Config, import_choices

            import_choices()
            found = Config.registered.get(name)
            if found is not None and found.__module__.startswith("automl."):
                return found
        raise AttributeError(f"module 'automl' has no attribute {name!r}")
