"""The predictor: from the input alone, each exit's LPIPS to full depth (FIANCEE, CVPR 2023)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.precision import Float32Module


class Prediction(NamedTuple):
    """For every branch: expected LPIPS to full depth, and its spread, (batch, branches) each.

    ``spread`` is the distance from the mean to the 90 % quantile: what the router scales by the
    calibrated margin.
    """

    mean: Tensor
    spread: Tensor


class Predictor(Float32Module):
    """A few strided convolutions over a coarse view of the input, then one hidden layer.

    Its weights stay float32 when the model around it is converted: a rounded predictor would
    route inputs to other exits than those that the calibration was tested on.

    Args:
        channels: channels of the coarse maps.
        vector: length of the vector that belongs to the input (its noise), 0 for none.
        branches: number of branches.
        widths: channels of the strided convolutions.
    """

    def __init__(
        self, channels: int, vector: int, branches: int, widths: tuple[int, ...] = (32, 48, 64, 96)
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((channels, *widths), widths, strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.hidden = nn.Linear(2 * widths[-1] + vector, 128)
        self.output = nn.Linear(128, 2 * branches)

    def forward(self, maps: Tensor, vector: Tensor) -> Prediction:
        features = self.layers(maps)
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3)), vector], 1)
        raw = self.output(F.leaky_relu(self.hidden(pooled), 0.2))
        mean, spread = F.softplus(raw - 3).chunk(2, 1)
        return Prediction(mean, spread)
