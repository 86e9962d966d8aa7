"""The generator of the OASIS paper, parts named as in the official checkpoints."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import spectral_norm


class Norm(nn.Module):
    """The modulated normalisation of the paper, parts named as in the official checkpoints."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.first_norm = nn.BatchNorm2d(channels, affine=False)
        self.mlp_shared = nn.Sequential(nn.Conv2d(condition, 128, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(128, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(128, channels, 3, padding=1)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        hidden = self.mlp_shared(F.interpolate(condition, size=features.shape[2:]))
        return self.first_norm(features) * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)


class Block(nn.Module):
    def __init__(self, entering: int, leaving: int, condition: int) -> None:
        super().__init__()
        middle = min(entering, leaving)
        self.conv_0 = spectral_norm(nn.Conv2d(entering, middle, 3, padding=1))
        self.conv_1 = spectral_norm(nn.Conv2d(middle, leaving, 3, padding=1))
        self.norm_0, self.norm_1 = Norm(entering, condition), Norm(middle, condition)
        self.wide = entering != leaving
        if self.wide:
            self.conv_s = spectral_norm(nn.Conv2d(entering, leaving, 1, bias=False))
            self.norm_s = Norm(entering, condition)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        residual = self.conv_0(F.leaky_relu(self.norm_0(features, condition), 0.2))
        residual = self.conv_1(F.leaky_relu(self.norm_1(residual, condition), 0.2))
        shortcut = self.conv_s(self.norm_s(features, condition)) if self.wide else features
        return shortcut + residual


class Official(nn.Module):
    """The generator of the OASIS paper: 3D noise before the labels, six blocks, width 16 … 1."""

    def __init__(self, classes: int, size: tuple[int, int], width: int) -> None:
        super().__init__()
        self.start = size[0] // 32, size[1] // 32
        channels = [width * factor for factor in (16, 16, 16, 8, 4, 2, 1)]
        condition = classes + 64
        self.fc = nn.Conv2d(condition, channels[0], 3, padding=1)
        self.body = nn.ModuleList(
            Block(entering, leaving, condition) for entering, leaving in pairwise(channels)
        )
        self.conv_img = nn.Conv2d(channels[-1], 3, 3, padding=1)

    def forward(self, one_hot: Tensor, noise: Tensor) -> Tensor:
        everywhere = noise[:, :, None, None].expand(-1, -1, *one_hot.shape[2:])
        condition = torch.cat([everywhere, one_hot], 1)
        features = self.fc(F.interpolate(condition, size=self.start))
        for index, block in enumerate(self.body):
            features = block(features, condition)
            if index < len(self.body) - 1:
                features = F.interpolate(features, scale_factor=2)
        return torch.tanh(self.conv_img(F.leaky_relu(features, 0.2)))
