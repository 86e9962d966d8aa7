"""The judge of identity: dlib's face embedding (Davis King, CC0), which no training phase uses.

Image points are continuous pixels, (0, 0) is the outer corner of the upper left pixel.
"""

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.families.faces.warps import identity_grid, similarity
from fiancee_hub.hub.tensor_files import read_tensors

WEIGHTS = "model.safetensors"
CROP = 150
"""Side of the network's input in pixels."""

LENGTH = 128
MEAN_RGB = (122.782, 117.001, 104.298)

POINTS = (263, 362, 33, 133, 2)
"""Landmarks: corners of the eye at the right of the image (outer, inner), of the other eye, and
below the nose."""

TEMPLATE = (
    (0.8595675, 0.2134982), (0.6460605, 0.2289674), (0.1205751, 0.2137275),
    (0.3340851, 0.2290642), (0.4901123, 0.6277975),
)  # fmt: skip
"""Where dlib's mean face has them, in units of its square."""

BORDER = 0.25
"""What dlib's crop adds to that square on each side."""

STEM = 32
WIDTHS = (32, 32, 32, 64, 64, 64, 64, 128, 128, 128, 256, 256, 256, 256)
"""Channels of the residual blocks."""

HALVING = (3, 7, 10, 13)
"""Blocks that halve the picture."""


class Affine(nn.Module):
    """A frozen batch normalisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        return features * self.gain[:, None, None] + self.shift[:, None, None]


class JudgeBlock(nn.Module):
    """Two convolutions and a shortcut, which a halving block averages."""

    def __init__(self, inputs: int, outputs: int, *, halve: bool) -> None:
        super().__init__()
        self.halve = halve
        stride, padding = (2, 0) if halve else (1, 1)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding)
        self.affine1 = Affine(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.affine2 = Affine(outputs)

    def forward(self, features: Tensor) -> Tensor:
        residual = self.conv2(F.relu(self.affine1(self.conv1(features))))
        residual = self.affine2(residual)
        if self.halve:
            features, residual = _filled_up(F.avg_pool2d(features, 2), residual)
        return F.relu(features + residual)


def _filled_up(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both with zeros at their ends, as dlib adds what differs in size."""
    shape = [max(sizes) for sizes in zip(first.shape, second.shape, strict=True)]
    filled = [
        F.pad(t, (0, shape[3] - t.shape[3], 0, shape[2] - t.shape[2], 0, shape[1] - t.shape[1]))
        for t in (first, second)
    ]
    return filled[0], filled[1]


class FaceIdentity(nn.Module):
    """Pictures of faces to unit vectors; the product of two is their likeness (cosine)."""

    centre: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM, 7, 2)
        self.stem_affine = Affine(STEM)
        self.blocks = nn.Sequential(
            *(
                JudgeBlock(before, width, halve=index in HALVING)
                for index, (before, width) in enumerate(pairwise((STEM, *WIDTHS)))
            )
        )
        self.head = nn.Linear(WIDTHS[-1], LENGTH, bias=False)
        # dlib's vectors all point roughly the same way: this is the mean of many persons'.
        self.register_buffer("centre", torch.zeros(LENGTH))

    @torch.no_grad()
    def forward(self, pictures: Tensor, landmarks: Tensor) -> Tensor:
        """Unit vectors (batch, 128).

        Args:
            pictures: (batch, 3, height, width) in [-1, 1].
            landmarks: (batch, 478, 2 or more), pixels.
        """
        crops = (aligned(pictures, landmarks) + 1) * 127.5
        return F.normalize(self._raw(crops) - self.centre, dim=1)

    def _raw(self, crops: Tensor) -> Tensor:
        """dlib's own vectors (batch, 128) of crops (batch, 3, 150, 150), 0 to 255."""
        features = (crops - crops.new_tensor(MEAN_RGB)[:, None, None]) / 256
        features = F.max_pool2d(F.relu(self.stem_affine(self.stem(features))), 3, 2)
        vectors: Tensor = self.head(self.blocks(features).mean((2, 3)))
        return vectors


def load_judge(folder: Path) -> FaceIdentity:
    """Reads the judge's weights.

    Raises:
        CheckpointError: the file is missing or holds something else.
    """
    judge = FaceIdentity()
    judge.load_state_dict(read_tensors(folder / WEIGHTS, judge.state_dict()))
    return judge.requires_grad_(False).eval()


def aligned(pictures: Tensor, landmarks: Tensor) -> Tensor:
    """Crops (batch, 3, 150, 150) in [-1, 1] with the face where dlib's is; black outside."""
    seen = landmarks[:, list(POINTS), :2].float()
    template = (seen.new_tensor(TEMPLATE) + BORDER) / (1 + 2 * BORDER) * CROP
    turn, middle, aim = similarity(template, seen)
    cells = (identity_grid(CROP, CROP, seen) + 1) * (CROP / 2) - middle
    pixels = cells @ turn[:, None] + aim[:, None]
    size = seen.new_tensor([pictures.shape[3], pictures.shape[2]])
    grid = pixels / size * 2 - 1
    # 0 outside means black there, so sampling goes by brightness from 0.
    return F.grid_sample(pictures.float() + 1, grid, align_corners=False) - 1
