"""The libraries of pretrained models: transformers, timm and torchvision, read from local files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import torch
from torch import nn

from automl.data.optional_packages import package
from automl.data.reading import existing
from automl.errors import UserError, described, unknown
from automl.models.pretrained_files import cached, loaded, safetensors_file
from automl.models.pretrained_pictures import PICTURE_NET, Pictures, moments_of, size_of

OfTransformers: TypeAlias = Any
"""A class or a config of transformers, which is not there for type checkers."""


@dataclass(frozen=True)
class Library:
    """A model of a library: its name there, the path of its weights, if given, and options.

    Not `trained`, it is built with random weights.
    """

    name: str
    weights: str
    options: dict[str, object]
    trained: bool

    def version(self) -> str:
        """The library and its version, whose code the model is."""
        raise NotImplementedError

    def files(self) -> list[Path]:
        """All files that the model depends on. Raises UserError where they are not here."""
        raise NotImplementedError

    def classes(self, num_outputs: int) -> tuple[str, ...]:
        """The names of the classes that the stored head answers, where the files name them and
        `num_outputs` is their number."""
        return ()

    def pictures(self) -> Pictures:
        raise NotImplementedError

    def for_pictures(self, num_outputs: int) -> nn.Module:
        """The model of pictures (rows, channels, height, width)."""
        raise NotImplementedError

    def for_texts(self, num_tokens: int, length: int, num_outputs: int) -> tuple[nn.Module, int]:
        """The model, called with `input_ids` and `attention_mask`, and the id of padding."""
        raise UserError(f"{self.name} takes pictures; for texts choose an hf/ model")


def library(factory: str, weights: str, options: dict[str, object], trained: bool) -> Library:
    """The model of "LIBRARY/NAME". Raises UserError on another name."""
    kind, _, name = factory.partition("/")
    if kind not in LIBRARIES or not name:
        raise UserError(
            f'Pretrained({factory!r}): write "hf/NAME", "timm/NAME" or "torchvision/NAME"'
        )
    return LIBRARIES[kind](name, weights, options, trained)


@dataclass(frozen=True)
class _Transformers(Library):
    """A model of transformers, in a folder as it saves them, or in the hub's cache."""

    def version(self) -> str:
        return f"transformers {self._package().__version__}"

    def files(self) -> list[Path]:
        folder = self._folder()
        settings = (folder / name for name in ("config.json", "preprocessor_config.json"))
        weights = self._weights(folder) if self.trained else []
        return [file for file in settings if file.exists()] + weights

    def classes(self, num_outputs: int) -> tuple[str, ...]:
        # A config holds its own names only where the number of labels stays.
        names = self._config(num_outputs).id2label
        return tuple(names[number] for number in sorted(names))

    def pictures(self) -> Pictures:
        config = self._config(1)
        file = self._folder() / "preprocessor_config.json"
        found = json.loads(file.read_text()) if file.exists() else {}
        size = getattr(config, "image_size", None) or found.get("size")
        return Pictures(
            *moments_of(found), size_of(size), found.get("do_flip_channel_order", False)
        )

    def for_pictures(self, num_outputs: int) -> nn.Module:
        kind = self._package().AutoModelForImageClassification
        return self._built(kind, self._config(num_outputs))

    def for_texts(self, num_tokens: int, length: int, num_outputs: int) -> tuple[nn.Module, int]:
        config = self._config(num_outputs)
        if num_tokens > (known := getattr(config, "vocab_size", num_tokens)):
            raise UserError(
                f"{self.name} knows {known} tokens, and the texts have {num_tokens}; "
                "give the dataset the tokenizer of this model"
            )
        if config.pad_token_id is None:
            config.pad_token_id = config.eos_token_id or 0
        kind = self._package().AutoModelForSequenceClassification
        model = self._built(kind, config)
        if length > (longest := _longest(model, config, length)):
            raise UserError(f"{self.name} reads {longest} tokens at most; give length={longest}")
        return model, config.pad_token_id

    def _built(self, kind: OfTransformers, config: OfTransformers) -> nn.Module:
        # Eager attention is plain products and a softmax, of which the smallest file is made.
        options = {"attn_implementation": "eager"}
        try:
            if not self.trained:
                model: nn.Module = kind.from_config(config, **options)
                return model
            self._weights(self._folder())
            model, found = kind.from_pretrained(
                self._folder(),
                config=config,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                **options,
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{self.name} cannot be built: {described(error)}") from error
        body = f"{getattr(model, 'base_model_prefix', '')}."
        missing = [n for n in found["missing_keys"] if n.startswith(body) and "pooler" not in n]
        if missing:
            raise UserError(
                f"the weights of {self.name} do not fit: {len(missing)} are missing, the first "
                f"is {sorted(missing)[0]}; check its config and options"
            )
        return model

    def _config(self, num_outputs: int) -> OfTransformers:
        reader = self._package().AutoConfig
        try:
            return reader.from_pretrained(
                self._folder(), num_labels=num_outputs, local_files_only=True, **self.options
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"the config of {self.name} is not read: {described(error)}") from error

    def _folder(self) -> Path:
        """The folder with config.json. Raises UserError where it is not on this machine."""
        given = self.weights or (self.name if Path(self.name).is_absolute() else "")
        if given:
            folder = existing(given)
            if not (folder / "config.json").is_file():
                raise UserError(f"{folder} holds no config.json; give the model's folder")
            return folder
        return cached(self.name, "config.json").parent

    def _weights(self, folder: Path) -> list[Path]:
        """The files of the weights. Raises UserError where there is none that is safe to read."""
        if found := sorted(folder.glob("*.safetensors")):
            return found
        if pickles := sorted(folder.glob("*.bin")):
            raise UserError(
                f"{pickles[0]} is a pickle, which may run any code and is not opened; "
                "save the model as model.safetensors"
            )
        raise UserError(f"{folder} holds no model.safetensors; put it there, or fetch it")

    def _package(self) -> ModuleType:
        found = package("transformers", f"hf/{self.name}", "pretrained")
        found.utils.logging.set_verbosity_error()
        found.utils.logging.disable_progress_bar()
        return found


@dataclass(frozen=True)
class _Timm(Library):
    """A model of timm: weights in the hub's cache, under the same name, or in a file."""

    def version(self) -> str:
        return f"timm {self._package().__version__}"

    def files(self) -> list[Path]:
        return [self._weights()] if self.trained else []

    def pictures(self) -> Pictures:
        found = self._package().get_pretrained_cfg(self.name)
        if found is None:
            return Pictures(*PICTURE_NET, ())
        return Pictures(tuple(found.mean), tuple(found.std), tuple(found.input_size[1:]))

    def for_pictures(self, num_outputs: int) -> nn.Module:
        try:
            model: nn.Module = self._package().create_model(
                self.name, pretrained=False, num_classes=num_outputs, **self.options
            )
        except (RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"timm/{self.name} cannot be built: {described(error)}") from error
        return loaded(model, self._weights(), num_outputs) if self.trained else model

    def _weights(self) -> Path:
        if self.weights:
            return safetensors_file(self.weights)
        return cached(f"timm/{self.name}", "model.safetensors")

    def _package(self) -> ModuleType:
        return package("timm", f"timm/{self.name}", "timm")


@dataclass(frozen=True)
class _Torchvision(Library):
    """A model of torchvision, with weights in a file: those in its own cache are pickles."""

    def version(self) -> str:
        return f"torchvision {self._package().__version__}"

    def files(self) -> list[Path]:
        return [self._weights()] if self.trained else []

    def pictures(self) -> Pictures:
        models = self._package().models
        try:
            found = models.get_model_weights(self.name).DEFAULT.transforms()
        except ValueError:
            raise UserError(
                unknown("model of torchvision", self.name, models.list_models())
            ) from None
        return Pictures(tuple(found.mean), tuple(found.std), size_of(found.crop_size[0]))

    def for_pictures(self, num_outputs: int) -> nn.Module:
        model: nn.Module = self._package().models.get_model(
            self.name, weights=None, num_classes=num_outputs, **self.options
        )
        return loaded(model, self._weights(), num_outputs) if self.trained else model

    def _weights(self) -> Path:
        if not self.weights:
            raise UserError(
                f"torchvision/{self.name} needs weights=FILE.safetensors; "
                "torchvision's own files are pickles, which are not opened"
            )
        return safetensors_file(self.weights)

    def _package(self) -> ModuleType:
        return package("torchvision", f"torchvision/{self.name}", "torchvision")


LIBRARIES = {"hf": _Transformers, "timm": _Timm, "torchvision": _Torchvision}


def _longest(model: nn.Module, config: OfTransformers, length: int) -> int:
    """The most tokens that a model reads; `length` where its config does not say.

    RoBERTa and its kind count positions from behind that of padding.
    """
    places = (m for name, m in model.named_modules() if name.endswith("position_embeddings"))
    padding = [own for m in places if (own := getattr(m, "padding_idx", None)) is not None]
    return getattr(config, "max_position_embeddings", length) - max(padding, default=-1) - 1
