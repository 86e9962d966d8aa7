"""Identity loss: embeddings of the picture and of the true frame should agree.

The network is MobileFace V3 (256-d); it is used in training only and is not shipped.
"""

from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.lfs import check_fetched
from fiancee_hub.core.precision import full_precision
from fiancee_hub.families.faces.warps import identity_grid, similarity

WEIGHTS = "identity.safetensors"
CROP = 112
"""Side of the network's input in pixels."""

POINTS = ((33, 133), (362, 263), (4, 4), (61, 61), (291, 291))
"""Landmarks whose means are the eyes, the nose's tip and the corners of the mouth."""

TEMPLATE = (
    (38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655),
    (70.7299, 92.2041),
)  # fmt: skip
"""Where an aligned crop has them, in pixels."""


class IdentityLoss(nn.Module):
    """1 − cosine of two pictures' embeddings, beyond nothing: 0 for the true frame itself.

    Args:
        folder: prepared data with ``identity.safetensors``.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.network = MobileFace()
        check_fetched(folder / WEIGHTS)
        self.network.load_state_dict(load_file(folder / WEIGHTS))
        self.requires_grad_(False).eval()

    def forward(
        self, images: Tensor, truth: Tensor, points: Tensor, true_points: Tensor | None = None
    ) -> Tensor:
        """Mean loss.

        Args:
            images: (batch, 3, h, w) in [-1, 1].
            truth: pictures of the wanted persons, likewise.
            points: landmarks in the images, (batch, 478, 3).
            true_points: those in ``truth``; the same if left out.
        """
        with full_precision(images):
            with torch.no_grad():
                wanted = self._embedding(truth, points if true_points is None else true_points)
            return 1 - (self._embedding(images, points) * wanted).sum(1).mean()

    def _embedding(self, images: Tensor, points: Tensor) -> Tensor:
        crops = F.grid_sample(images.float(), _crop_grid(points), align_corners=False)
        embedding: Tensor = self.network(crops)
        return embedding


class _Filter(nn.Module):
    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
        self.act = nn.PReLU(channels)

    def forward(self, features: Tensor) -> Tensor:
        activated: Tensor = self.act(self.conv(features))
        return activated


class _Stage(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.halve = _Filter(outputs, 2)
        self.body = nn.Sequential(_Filter(outputs), _Filter(outputs))

    def forward(self, features: Tensor) -> Tensor:
        halved: Tensor = self.halve(self.mix(features))
        return halved + self.body(halved)


class MobileFace(nn.Module):
    """Aligned crops (batch, 3, 112, 112) in [-1, 1] to unit vectors (batch, 256)."""

    def __init__(self) -> None:
        super().__init__()
        widths = (32, 32, 32, 64, 128)
        self.stem = nn.Conv2d(3, widths[0], 3, 2, 1, bias=False)
        self.stem_act = nn.PReLU(widths[0])
        self.stages = nn.Sequential(*(_Stage(a, b) for a, b in pairwise(widths)))
        self.head = nn.Linear(widths[-1] * 16, 256)

    def forward(self, crops: Tensor) -> Tensor:
        # The network was trained on (value - 127.5) / 128.
        features = self.stages(self.stem_act(self.stem(crops * (127.5 / 128))))
        return F.normalize(self.head(features.flatten(1)), dim=1)


def _crop_grid(points: Tensor) -> Tensor:
    """Sampling grid (batch, 112, 112, 2) of the aligned crop around landmarks in [-1, 1]."""
    seen = torch.stack([points[:, list(pair), :2].mean(1) for pair in POINTS], 1)
    template = seen.new_tensor(TEMPLATE) * 2 / CROP - 1
    turn, middle, aim = similarity(template, seen)
    cells = identity_grid(CROP, CROP, points) - middle
    return cells @ turn[:, None] + aim[:, None]
