"""The one place that builds LPIPS: package ``lpips`` v0.1, AlexNet, shipped weights.

Zhang et al., CVPR 2018. The weights are stored as float16 in ``assets/lpips_alex.safetensors``;
nothing is downloaded and no pickle is read.
"""

import functools
from typing import Any

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.assets import read_asset
from fiancee_hub.core.errors import missing_package

WEIGHTS = "lpips_alex.safetensors"

SCALING = {
    "scaling_layer.shift": np.array([-0.030, -0.088, -0.188], np.float32),
    "scaling_layer.scale": np.array([0.458, 0.448, 0.450], np.float32),
}
"""Of the pixels; the package makes them in whatever the caller's default type is."""


def _import_lpips() -> Any:
    """Package ``lpips``, also beside a torchvision compiled for another build of torch.

    ``lpips`` needs only torchvision's AlexNet definition, but importing torchvision registers
    fake implementations for these two operators, which its compiled part defines.
    """
    try:
        import torchvision  # noqa: F401
    except ModuleNotFoundError as error:
        raise missing_package("torchvision", "compare") from error
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARIES.append(library)
    try:
        import lpips
    except ModuleNotFoundError as error:
        raise missing_package("lpips", "compare") from error
    return lpips


_LIBRARIES: list[torch.library.Library] = []
"""Kept: with a library its operators go."""


class PerceptualDistance(nn.Module):
    """LPIPS between images in [-1, 1], with the features of either side reusable."""

    def __init__(self) -> None:
        super().__init__()
        # Whatever the caller's defaults are: it is built on the CPU, in float32.
        with torch.device("cpu"):
            self.lpips: Any = _import_lpips().LPIPS(
                net="alex", pretrained=False, pnet_rand=True, verbose=False, eval_mode=True
            )
        _load(self.lpips.float())
        self.requires_grad_(False).eval()

    def features(self, images: Tensor) -> list[Tensor]:
        """Unit-length AlexNet features of (batch, 3, height, width) images, five levels."""
        outputs = self.lpips.net.forward(self.lpips.scaling_layer(images))
        return [_unit_length(level) for level in outputs]

    def between(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        """LPIPS (batch,) between two lists that ``features`` returned."""
        distance = torch.zeros((), dtype=torch.float32, device=first[0].device)
        for a, b, lin in zip(first, second, self.lpips.lins, strict=True):
            distance = distance + lin((a - b).square()).float().mean((1, 2, 3))
        return distance

    def within(self, first: list[Tensor], second: list[Tensor], mask: Tensor) -> Tensor:
        """LPIPS (batch,) where a mask (batch, 1, h, w), 0 to 1, is: each level's mean is weighted
        by it. 0 where the mask is empty."""
        distance = torch.zeros((), dtype=torch.float32, device=first[0].device)
        for a, b, lin in zip(first, second, self.lpips.lins, strict=True):
            seen = lin((a - b).square()).float()
            weights = F.adaptive_avg_pool2d(mask.float(), seen.shape[2:])
            total = weights.sum((1, 2, 3)).clamp(min=1e-6)
            distance = distance + (weights * seen).sum((1, 2, 3)) / total
        return distance

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """LPIPS (batch,) between images (batch, 3, height, width) in [-1, 1]."""
        return self.between(self.features(first), self.features(second))

    def train(self, mode: bool = True) -> "PerceptualDistance":
        return super().train(False)


def _unit_length(features: Tensor) -> Tensor:
    features = features.float()
    return features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)


def _load(model: Any) -> None:
    tensors = {name: tensor.float() for name, tensor in load(read_asset(WEIGHTS)).items()}
    target = model.state_dict()
    renamed = {}
    for name in target:
        if name.startswith("net."):
            # lpips cuts torchvision's AlexNet into slices but keeps the layer numbers.
            renamed[name] = tensors[f"features.{'.'.join(name.split('.')[2:])}"]
        elif name.startswith(("lin", "lins.")) and name.endswith("weight"):
            index = name.split(".")[1] if name.startswith("lins.") else name[3]
            renamed[name] = tensors[f"lin{index}.weight"]
        else:
            renamed[name] = torch.from_numpy(SCALING[name]).reshape(target[name].shape)
    model.load_state_dict(renamed)


@functools.cache
def perceptual_distance() -> PerceptualDistance:
    """The shared instance on the CPU, built at the first call."""
    # Tensors made in inference mode would refuse gradients to all later callers.
    with torch.inference_mode(False):
        return PerceptualDistance()
