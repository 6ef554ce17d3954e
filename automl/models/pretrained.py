"""A model of transformers, timm or torchvision by name, with weights that are on this machine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.nn import functional as F

from automl.config import canonical, encode
from automl.data.content_hash import content_hash
from automl.data.dataset import DatasetInfo, Scaling
from automl.data.text import NUM_TOKENS
from automl.errors import UserError
from automl.field_types import Count, Positive
from automl.models.empty_networks import empty_network
from automl.models.family import Spec
from automl.models.foreign import add_note
from automl.models.imported import Imported
from automl.models.pretrained_heads import fit
from automl.models.pretrained_libraries import Library, library


@dataclass(frozen=True)
class Pretrained(Imported):
    """A pretrained model for pictures or texts, its head made anew for the data's classes; that of
    an hf/ model whose `id2label` has the very names of these is kept, in their order.

    `factory` is "hf/NAME", "timm/NAME" or "torchvision/NAME" as these libraries name it, or
    "hf//FOLDER" of a folder with config.json and model.safetensors. `weights` is such a folder,
    or a safetensors file for the other two; without it they are in the library's cache, which is
    only read: nothing is downloaded. `options` go into the model's own config. Not `trained`, it
    begins with random weights.

    Pictures are scaled as its own config says, unless `mean` and `std` say more; `white` is the
    raw value of a white pixel. They are resized to `size` (height, width), by default the
    model's own, inside the network. Texts need a dataset with the model's own `tokenizer`.
    """

    factory: str
    trained: bool = True
    size: tuple[Count, ...] = ()
    white: Positive = 255.0

    def __post_init__(self) -> None:
        if len(self.size) not in (0, 2):
            raise UserError(f"{self.factory}: size is (height, width) in pixels")
        self._library()

    def __str__(self) -> str:
        return f"Pretrained({self.factory!r})"

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        if len(input_shape) != 3:
            raise UserError(f"{self.factory} takes pictures or texts, not rows of {input_shape}")
        own = self._library()
        pictures = own.pictures()
        size = self.size or pictures.size or input_shape[1:]
        model = own.for_pictures(num_outputs)
        resized = None if size == input_shape[1:] else size
        return _OfPictures(model, len(pictures.mean), resized, pictures.blue_first)

    def build_text(self, num_tokens: int, length: int, num_outputs: int) -> nn.Module:
        if num_tokens == NUM_TOKENS:
            raise UserError(
                f"{self.factory} reads the ids of its own tokenizer, and the texts come as bytes; "
                "name it in the dataset, e.g. Text(path, tokenizer=FOLDER)"
            )
        return _OfTexts(*self._library().for_texts(num_tokens, length, num_outputs))

    def fit(self, body: nn.Module, info: DatasetInfo) -> None:
        if not self.trained:
            return
        own, model = self._library(), body.model
        sizes = info.input_shape, info.num_outputs + 1, info.num_tokens
        wider = empty_network(Spec(self.without_weights(), *sizes)).body.model
        assert isinstance(model, nn.Module) and isinstance(wider, nn.Module)
        files = [file for file in own.files() if file.suffix == ".safetensors"]
        if note := fit(model, wider, files, own.classes(info.num_outputs), info.classes):
            add_note(body, f"{self.factory}: {note}")

    def scaling(self, info: DatasetInfo) -> Scaling:
        if self.mean or self.std or info.num_tokens:
            return super().scaling(info)
        pictures, count = self._library().pictures(), len(info.inputs.mean)
        if self.white > 2 and max(info.inputs.mean) <= 1:
            raise UserError(
                f"{self.factory}: the pictures are {max(info.inputs.mean):.2g} bright on average, "
                f"so {self.white:g} is not white; give white=1.0"
            )
        return Scaling(*(self._raw(own, count) for own in (pictures.mean, pictures.std)))

    def target_scaling(self, info: DatasetInfo) -> Scaling:
        return info.targets

    def fingerprint(self) -> str:
        """The config with the bytes of the model's files, wherever they are."""
        own = self._library()
        files = [content_hash(file) for file in own.files()]
        return canonical({**encode(self), "weights": "", "files": files, "by": own.version()})

    @property
    def comes_trained(self) -> bool:
        return self.trained

    def without_weights(self) -> Pretrained:
        return replace(self, trained=False)

    def _library(self) -> Library:
        return library(self.factory, self.weights, self.options, self.trained)

    def _raw(self, values: tuple[float, ...], count: int) -> tuple[float, ...]:
        """Numbers of each channel between black 0 and white 1, in the units of raw pictures; grey
        ones take the channels' mean."""
        if count != len(values):
            values = (sum(values) / len(values),) * count
        return tuple(self.white * value for value in values)


class _OfPictures(nn.Module):
    """A model of pictures (rows, channels, height, width) that may be grey, of another size, or of
    channels in the other order than the model's."""

    def __init__(
        self, model: nn.Module, channels: int, size: tuple[int, ...] | None, blue_first: bool
    ) -> None:
        super().__init__()
        self.model, self.channels, self.size = model, channels, size
        self.blue_first = blue_first

    def forward(self, pictures: Tensor) -> Tensor:
        pictures = pictures.expand(-1, self.channels, -1, -1)
        if self.blue_first:
            pictures = pictures.flip(1)
        if self.size is not None:
            pictures = F.interpolate(pictures, self.size, mode="bilinear")
        return _logits(self.model(pictures))


class _OfTexts(nn.Module):
    """A model of token ids (rows, length) that looks past the padding after each text's end."""

    def __init__(self, model: nn.Module, padding: int) -> None:
        super().__init__()
        self.model, self.padding = model, padding

    def forward(self, ids: Tensor) -> Tensor:
        return _logits(self.model(input_ids=ids, attention_mask=ids.ne(self.padding).long()))


def _logits(outputs: object) -> Tensor:
    """The answers (rows, outputs) among a model's outputs."""
    found = outputs if isinstance(outputs, Tensor) else getattr(outputs, "logits", None)
    assert isinstance(found, Tensor)
    return found
