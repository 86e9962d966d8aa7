"""Pixels as the networks have them, in [-1, 1], and as bytes."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def signed(images: Tensor) -> Tensor:
    """Images of any shape as float in [-1, 1]: uint8 is scaled, floats stay."""
    return images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images.float()


def as_bytes(images: Tensor) -> Tensor:
    """Images in [-1, 1] of any shape as uint8; what lies outside is clamped."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().byte()


def to_picture(image: Tensor) -> Image.Image:
    """An image (3, height, width) in [-1, 1] as an RGB picture."""
    return Image.fromarray(as_bytes(image).permute(1, 2, 0).contiguous().cpu().numpy())


def from_picture(picture: Image.Image) -> Tensor:
    """A picture as an image (3, height, width) in [-1, 1]."""
    return signed(torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1))
