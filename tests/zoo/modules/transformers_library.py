"""Architectures of `transformers`, tiny and untrained: texts are bytes, 0 is padding."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from zoo.declared import declared

SIZES: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 80,
    "num_labels": 8,
    "pad_token_id": 0,
}
IMAGES: dict[str, Any] = {
    "image_size": 16,
    "patch_size": 4,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "num_labels": 8,
}


class OfBytes(nn.Module):
    """A classifier of token ids, called with the mask that the padding asks for."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(input_ids=x, attention_mask=(x != 0).long()).logits


class OfPixels(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(pixel_values=x).logits


def _text(name: str, **others: Any) -> nn.Module:
    import transformers

    settings = {key: value for key, value in {**SIZES, **others}.items() if value is not None}
    config = getattr(transformers, f"{name}Config")(**settings)
    return OfBytes(getattr(transformers, f"{name}ForSequenceClassification")(config))


def _image(name: str, **settings: Any) -> nn.Module:
    import transformers

    config = getattr(transformers, f"{name}Config")(**{"num_labels": 8, **settings})
    return OfPixels(getattr(transformers, f"{name}ForImageClassification")(config))


@declared("text", needs="transformers", blocks="net.bert.encoder.layer.0 net.bert.encoder.layer.1")
def bert() -> nn.Module:
    return _text("Bert")


@declared(
    "text",
    needs="transformers",
    blocks="net.distilbert.transformer.layer.0 net.distilbert.transformer.layer.1",
)
def distil_bert() -> nn.Module:
    return _text(
        "DistilBert",
        dim=48,
        n_layers=2,
        n_heads=4,
        hidden_dim=96,
        hidden_size=None,
        num_hidden_layers=None,
        num_attention_heads=None,
        intermediate_size=None,
    )


@declared(
    "text", needs="transformers", blocks="net.roberta.encoder.layer.0 net.roberta.encoder.layer.1"
)
def roberta() -> nn.Module:
    return _text("Roberta")


@declared("text", needs="transformers")
def albert() -> nn.Module:
    """One layer run three times. Source: tensorflow/model-optimization #270."""
    return _text(
        "Albert", embedding_size=32, hidden_size=64, num_hidden_layers=3, intermediate_size=128
    )


@declared(
    "text", needs="transformers", blocks="net.electra.encoder.layer.0 net.electra.encoder.layer.1"
)
def electra() -> nn.Module:
    return _text("Electra", embedding_size=32)


@declared("text", needs="transformers", blocks="net.transformer.h.0 net.transformer.h.1")
def gpt2() -> nn.Module:
    import transformers

    config = transformers.GPT2Config(
        vocab_size=256,
        n_positions=80,
        n_embd=48,
        n_layer=2,
        n_head=4,
        num_labels=8,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
        use_cache=False,
    )
    return OfBytes(transformers.GPT2ForSequenceClassification(config))


@declared("images", needs="transformers", blocks="net.vit.layers.0 net.vit.layers.1")
def vit() -> nn.Module:
    return _image("ViT", **IMAGES)


@declared("images", needs="transformers", blocks="net.deit.layers.0 net.deit.layers.1")
def deit() -> nn.Module:
    return _image("DeiT", **IMAGES)


@declared(
    "images",
    needs="transformers",
    blocks="net.swin.encoder.layers.0.blocks.0 net.swin.encoder.layers.0.blocks.1",
)
def swin() -> nn.Module:
    return _image(
        "Swin",
        image_size=16,
        patch_size=2,
        embed_dim=24,
        depths=[2, 1],
        num_heads=[2, 4],
        window_size=4,
        drop_path_rate=0.0,
    )


@declared(
    "images",
    needs="transformers",
    blocks="net.convnext.encoder.stages.0.layers.0 net.convnext.encoder.stages.0.layers.1",
)
def conv_next() -> nn.Module:
    return _image(
        "ConvNext",
        patch_size=2,
        num_stages=2,
        hidden_sizes=[24, 48],
        depths=[2, 2],
        layer_scale_init_value=0.1,
    )


@declared(
    "images",
    needs="transformers",
    blocks="net.resnet.encoder.stages.0.layers.1 net.resnet.encoder.stages.1.layers.1",
)
def res_net() -> nn.Module:
    return _image(
        "ResNet", embedding_size=16, hidden_sizes=[32, 48], depths=[2, 2], layer_type="basic"
    )


@declared(
    "images",
    needs="transformers",
    blocks="net.mobilenet_v2.layer.1 net.mobilenet_v2.layer.3 net.mobilenet_v2.layer.4",
)
def mobile_net_v2() -> nn.Module:
    return _image("MobileNetV2", depth_multiplier=0.25, image_size=16, finegrained_output=False)


ARCHITECTURES = (
    *("bert", "distil_bert", "roberta", "albert", "electra", "gpt2"),
    *("vit", "deit", "swin", "conv_next", "res_net", "mobile_net_v2"),
)
