"""Models of `timm` and `torchvision`, small and untrained, where these libraries are installed."""

from __future__ import annotations

from typing import Any

from torch import nn

from zoo.declared import declared


def _timm(name: str, **options: Any) -> nn.Module:
    import timm

    return timm.create_model(name, num_classes=8, **options)


@declared("images", needs="torchvision")
def timm_efficient_net() -> nn.Module:
    return _timm("test_efficientnet")


@declared("images", needs="torchvision")
def timm_res_net() -> nn.Module:
    return _timm("test_resnet")


@declared("images", needs="torchvision")
def timm_vit() -> nn.Module:
    return _timm("test_vit", img_size=16, patch_size=4)


@declared("images", needs="torchvision")
def timm_nf_net() -> nn.Module:
    """Weight-standardised convolutions."""
    return _timm("test_nfnet")


@declared("images", needs="torchvision")
def torchvision_shuffle_net() -> nn.Module:
    import torchvision

    return torchvision.models.shufflenet_v2_x0_5(num_classes=8)


@declared("images", needs="torchvision")
def torchvision_mobile_net() -> nn.Module:
    import torchvision

    return torchvision.models.mobilenet_v2(num_classes=8, width_mult=0.25)
