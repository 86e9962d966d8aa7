"""The toy generator: a colour, a size and every pixel's place, mixed by a few convolutions."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.exits import Branch, ExitConfig, GuideConfig, Trunk
from toy.family import ToyConfig

VECTOR = 4
"""Red, green and blue (-1 to 1), and the disc's size (0 to 1)."""


class ToyTrunk(Trunk):
    """Three stages of one convolution each."""

    def __init__(self, shape: ToyConfig) -> None:
        super().__init__()
        self.shape = shape
        inputs = (VECTOR + 2, *shape.channels)
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1)
            for before, after in zip(inputs, shape.channels, strict=False)
        )
        self.to_rgb = nn.Conv2d(shape.channels[-1], 3, 1)

    @property
    def stages(self) -> int:
        return self.shape.stages

    @property
    def stage_channels(self) -> tuple[int, ...]:
        return self.shape.channels

    def condition(self, vector: Tensor) -> Tensor:
        """The vector (batch, 4) at every place, and the places, (batch, 6, side, side)."""
        vector = vector.to(self.to_rgb.weight.dtype)
        side = self.shape.side >> (self.stages - 1)
        line = torch.linspace(-1, 1, side, device=vector.device)
        places = torch.stack(torch.meshgrid(line, line, indexing="ij")).to(vector.dtype)
        spread = vector[:, :, None, None].expand(-1, -1, side, side)
        return torch.cat([spread, places.expand(len(vector), -1, -1, -1)], 1)

    def stage(self, index: int, features: Tensor | None, condition: Tensor) -> Tensor:
        if features is None:
            return F.relu(self.convs[0](condition))
        return F.relu(self.convs[index](F.interpolate(features, scale_factor=2)))

    def to_image(self, features: Tensor, condition: Tensor) -> Tensor:
        return torch.tanh(self.to_rgb(features))

    def branch(self, exit_config: ExitConfig, guides: GuideConfig) -> "ToyBranch":
        return ToyBranch(self.shape, exit_config, guides.channels)

    def predictor_inputs(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        return condition, condition[:, :VECTOR, 0, 0]

    def predictor_shape(self) -> tuple[int, int]:
        return VECTOR + 2, VECTOR

    def example_inputs(self, *, encoded: bool = True) -> tuple[Any, ...]:
        return (torch.zeros(1, VECTOR),)


class ToyBranch(Branch):
    """One convolution, then the picture's size at once."""

    def __init__(self, shape: ToyConfig, exit_config: ExitConfig, guide_channels: int) -> None:
        super().__init__(guide_channels)
        before = shape.channels[exit_config.stage - 1]
        self.side = shape.side
        self.conv = nn.Conv2d(
            before + guide_channels, max(1, int(before / exit_config.scale_factor)), 3, padding=1
        )
        self.to_rgb = nn.Conv2d(self.conv.out_channels, 3, 1)

    def forward(self, features: Tensor, condition: Tensor, guide: Tensor | None) -> Tensor:
        hidden = F.relu(self.conv(self.with_guide(features, guide)))
        return torch.tanh(self.to_rgb(F.interpolate(hidden, size=(self.side, self.side))))

    def inherit(self, trunk: Any) -> None:
        """Begins with the trunk's own colours."""
        with torch.no_grad():
            self.to_rgb.bias.copy_(trunk.to_rgb.bias)  # type: ignore[union-attr]
