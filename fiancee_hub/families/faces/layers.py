"""Layers of the face generator."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.normalisation import unit_length
from fiancee_hub.core.thinning import strongest, take
from fiancee_hub.families.faces.heads import MAP_CHANNELS, at_side

LEAK = 0.2

MASK_VIEWS = 3 + MAP_CHANNELS + 2 + 1 + 1
"""Warped picture, source's map, flow, its area ratio, and the share of the head."""

KEPT = 4.0
"""Logit of what is kept of the warped source before training."""


def unshuffled(images: Tensor, factor: int) -> Tensor:
    """``F.pixel_unshuffle``, which takes a processor twice as long."""
    if images.device.type != "cpu" or torch.compiler.is_exporting():
        return F.pixel_unshuffle(images, factor)
    places = [(y, x) for y in range(factor) for x in range(factor)]
    parts = [images[:, :, y::factor, x::factor] for y, x in places]
    return torch.stack(parts, 2).flatten(1, 2)


class Block(nn.Module):
    """Residual block on features of unit length; starts close to the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_1 = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.conv_1.weight.mul_(0.2)

    def forward(self, features: Tensor) -> Tensor:
        residual = self.conv_0(F.leaky_relu(unit_length(features), LEAK))
        return features + self.conv_1(F.leaky_relu(residual, LEAK))

    def inherit(self, block: "Block", channels: Tensor) -> None:
        """Takes over the chosen channels (indices) of a wider block."""
        middle = strongest(block.conv_1.weight, self.conv_0.out_channels)
        take(self.conv_0, block.conv_0, middle, channels)
        take(self.conv_1, block.conv_1, channels, middle)


class Stage(nn.Module):
    """Joins what came before with the warped source and the target's map, then refines.

    Args:
        before: channels of the stage before; 0 for the first.
        warped: channels of the source's features at this size.
        width: channels that leave.
        blocks: residual blocks.
        descriptor: length of the global descriptor.
    """

    def __init__(self, before: int, warped: int, width: int, blocks: int, descriptor: int) -> None:
        super().__init__()
        self.carry = nn.Conv2d(before, width, 1, bias=False) if before else None
        self.join = nn.Conv2d(warped + MAP_CHANNELS, width, 1)
        self.style = nn.Linear(descriptor, 2 * width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))

    def forward(
        self, features: Tensor | None, warped: Tensor, face_map: Tensor, descriptor: Tensor
    ) -> Tensor:
        shown = at_side(face_map, warped.shape[2]).to(warped.dtype)
        joined = self.join(torch.cat([warped, shown], 1).to(self.join.weight.dtype))
        if self.carry is not None and features is not None:
            carried = self.carry(unit_length(features))
            if carried.shape[2:] != joined.shape[2:]:
                carried = F.interpolate(carried, scale_factor=2, mode="nearest")
            joined = joined + carried
        scale, shift = self.style(descriptor)[:, :, None, None].chunk(2, 1)
        refined: Tensor = self.blocks(torch.addcmul(shift, joined, 1 + scale))
        return refined

    @property
    def entry(self) -> nn.Conv2d:
        """The convolution that listens to the stage before."""
        assert self.carry is not None
        return self.carry

    @property
    def width(self) -> int:
        """Channels that leave."""
        return self.join.out_channels

    @torch.no_grad()
    def inherit(self, stage: "Stage", entering: Tensor, leaving: Tensor) -> None:
        """Takes over the chosen channels (indices) of a wider stage."""
        assert self.carry is not None and stage.carry is not None
        take(self.carry, stage.carry, leaving, entering)
        take(self.join, stage.join, leaving)
        both = torch.cat([leaving, leaving + stage.join.out_channels])
        self.style.weight.copy_(stage.style.weight[both])
        self.style.bias.copy_(stage.style.bias[both])
        thin: Any
        for thin, block in zip(self.blocks, stage.blocks, strict=False):
            thin.inherit(block, leaving)


class MaskNet(nn.Module):
    """Says what is kept of the warped source, at the size of every stage; the rest is erased.

    Where a mouth opens, a head turns or hair moves, the warp is wrong and the stages would have
    to cancel it exactly. Everything is computed at the volume's size, once for all exits.

    Args:
        channels: width.
        sizes: of the masks: the volume's size, twice as much, ….
    """

    def __init__(self, channels: int, sizes: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(4 * MASK_VIEWS + 16 * MAP_CHANNELS, channels, 1)
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=reach, dilation=reach) for reach in (1, 2)
        )
        self.outputs = nn.ModuleList(_keeping(channels, 4**size) for size in range(sizes))

    def forward(self, views: Tensor, target_map: Tensor) -> list[Tensor]:
        """Logits of what is kept, each (batch, 1, side, side), the smallest first.

        Args:
            views: (batch, ``MASK_VIEWS``, h, w) at twice the volume's size.
            target_map: (batch, 10, 2h, 2w), shares.
        """
        folded = [unshuffled(views, 2), unshuffled(target_map, 4)]
        features = self.look(torch.cat(folded, 1))
        for conv in self.convs:
            features = conv(F.leaky_relu(unit_length(features), LEAK))
        features = F.leaky_relu(unit_length(features), LEAK)
        return [
            F.pixel_shuffle(output(features), 2**size) for size, output in enumerate(self.outputs)
        ]


def _keeping(inputs: int, outputs: int) -> nn.Conv2d:
    """A last convolution that starts by keeping nearly everything."""
    conv = nn.Conv2d(inputs, outputs, 1)
    nn.init.zeros_(conv.weight)
    assert conv.bias is not None
    nn.init.constant_(conv.bias, KEPT)
    return conv


def painting(inputs: int, outputs: int) -> nn.Conv2d:
    """A last convolution that starts by changing nothing: training begins at the plain warp."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.zeros_(conv.weight)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv
