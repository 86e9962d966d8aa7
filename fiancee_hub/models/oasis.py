"""The OASIS generator (Sushko et al., ICLR 2021) as a trunk of stages.

One class covers the official networks (``modulation="spade"``) and the light one that we train
(``modulation="shared"``: one small embedding of label map and noise per stage, and a 1x1
convolution per norm, after the finding of CLADE, arXiv 2004.02867, that the modulation needs
hardly any compute).
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.models.exits import ExitConfig

SPADE_HIDDEN = 128
LEAK = 0.2


@dataclass(frozen=True)
class OasisConfig:
    """Shape of a generator.

    Args:
        classes: number of class ids in a label map, the unknown class included.
        height: height of the image in pixels, a multiple of 32.
        width: width of the image in pixels, a multiple of 32.
        channels: channels entering stage l1, then leaving l1 … lN (N + 1 values).
        hidden: channels of the label embedding of each stage (N values); ignored by SPADE.
        noise_channels: channels of the 3D noise.
        modulation: ``"spade"`` as published, or ``"shared"``.
    """

    classes: int
    height: int
    width: int
    channels: tuple[int, ...]
    hidden: tuple[int, ...] = ()
    noise_channels: int = 64
    modulation: Literal["spade", "shared"] = "shared"

    @property
    def stages(self) -> int:
        return len(self.channels) - 1

    @property
    def label_channels(self) -> int:
        """Channels of the maps that modulate: the classes; coordinates too unless as published."""
        return self.classes + (2 if self.modulation == "shared" else 0)

    def stage_size(self, stage: int) -> tuple[int, int]:
        """Height and width of the features that leave stage ``stage`` (0-based)."""
        shrink = 2 ** (self.stages - 1 - stage)
        return self.height // shrink, self.width // shrink

    def half_size(self) -> "OasisConfig":
        """The same generator without its last stage, for the first part of the training."""
        return replace(
            self,
            height=self.height // 2,
            width=self.width // 2,
            channels=self.channels[:-1],
            hidden=self.hidden[:-1],
        )


class Condition(NamedTuple):
    """What every stage is modulated by: one label map per stage size, and the noise.

    ``labels[i]`` is (batch, label channels, height, width) at the size of stage i; ``noise`` is
    (batch, noise channels, 1, 1), constant over the image, or (batch, noise channels, h, w).
    """

    labels: tuple[Tensor, ...]
    noise: Tensor

    def noise_at(self, stage: int) -> Tensor:
        """The noise at the size of a stage; constant noise stays one pixel."""
        if self.noise.shape[2:] == (1, 1):
            return self.noise
        return F.interpolate(self.noise, size=self.labels[stage].shape[2:], mode="nearest")


class SharedModulation(nn.Module):
    """Normalisation whose scale and shift come from an embedding through a 1x1 convolution."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale_shift = nn.Conv2d(hidden, 2 * channels, 1)

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        if self.training:
            scale, shift = self.scale_shift(embedding).chunk(2, 1)
            return torch.addcmul(shift, self.norm(features), 1 + scale)
        scale, shift = self._folded(embedding).chunk(2, 1)
        return torch.addcmul(shift, features, scale)

    def _folded(self, embedding: Tensor) -> Tensor:
        """Scale and shift with the normalisation's statistics folded into the convolution.

        One pass over the features instead of two: at full resolution memory, not arithmetic,
        is what takes the time.
        """
        mean, var = self.norm.running_mean, self.norm.running_var
        assert mean is not None and var is not None
        inverse = torch.rsqrt(var + self.norm.eps)
        weight_scale, weight_shift = self.scale_shift.weight.chunk(2, 0)
        assert self.scale_shift.bias is not None
        bias_scale, bias_shift = self.scale_shift.bias.chunk(2, 0)
        weight_scale = weight_scale * inverse.view(-1, 1, 1, 1)
        bias_scale = (1 + bias_scale) * inverse
        weight_shift = weight_shift - weight_scale * mean.view(-1, 1, 1, 1)
        bias_shift = bias_shift - bias_scale * mean
        weight = torch.cat([weight_scale, weight_shift])
        return F.conv2d(embedding, weight, torch.cat([bias_scale, bias_shift]))


class SharedBlock(nn.Module):
    """Residual block whose norms share one embedding of label map and noise."""

    def __init__(self, inputs: int, outputs: int, labels: int, noise: int, hidden: int) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        self.embed = nn.Conv2d(labels, hidden, 3, padding=1)
        self.embed_noise = nn.Conv2d(noise, hidden, 1, bias=False)
        self.norm_0 = SharedModulation(inputs, hidden)
        self.conv_0 = nn.Conv2d(inputs, middle, 3, padding=1)
        self.norm_1 = SharedModulation(middle, hidden)
        self.conv_1 = nn.Conv2d(middle, outputs, 3, padding=1)
        self.conv_s = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else None

    def forward(self, features: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
        embedding = F.relu(self.embed(labels) + self.embed_noise(noise))
        residual = self.conv_0(F.leaky_relu(self.norm_0(features, embedding), LEAK))
        residual = self.conv_1(F.leaky_relu(self.norm_1(residual, embedding), LEAK))
        return residual + (features if self.conv_s is None else self.conv_s(features))


class Spade(nn.Module):
    """Spatially adaptive normalisation as published (Park et al., CVPR 2019)."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.first_norm = nn.BatchNorm2d(channels, affine=False)
        self.mlp_shared = nn.Conv2d(condition, SPADE_HIDDEN, 3, padding=1)
        self.mlp_gamma = nn.Conv2d(SPADE_HIDDEN, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(SPADE_HIDDEN, channels, 3, padding=1)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        hidden = F.relu(self.mlp_shared(condition))
        return self.first_norm(features) * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)


class SpadeBlock(nn.Module):
    """OASIS residual block as published (ICLR 2021)."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        self.norm_0 = Spade(inputs, condition)
        self.conv_0 = nn.Conv2d(inputs, middle, 3, padding=1)
        self.norm_1 = Spade(middle, condition)
        self.conv_1 = nn.Conv2d(middle, outputs, 3, padding=1)
        self.shortcut = inputs != outputs
        if self.shortcut:
            self.norm_s = Spade(inputs, condition)
            self.conv_s = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, features: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
        condition = torch.cat([noise.expand(-1, -1, *labels.shape[2:]), labels], 1)
        residual = self.conv_0(F.leaky_relu(self.norm_0(features, condition), LEAK))
        residual = self.conv_1(F.leaky_relu(self.norm_1(residual, condition), LEAK))
        if self.shortcut:
            features = self.conv_s(self.norm_s(features, condition))
        return residual + features


class OasisGenerator(nn.Module):
    """Label map and 3D noise to an image, stage by stage."""

    def __init__(self, config: OasisConfig) -> None:
        super().__init__()
        self.config = config
        shared = config.modulation == "shared"
        labels = config.label_channels
        condition = labels + config.noise_channels
        self.head = nn.Conv2d(condition, config.channels[0], 3, padding=1)
        if shared:
            # The same street looks different at its left, right and far end; without a sense of
            # place the walls of a wide house repeat one pattern.
            self.place = nn.Parameter(torch.zeros(1, config.channels[0], *config.stage_size(0)))
        self.blocks = nn.ModuleList(
            SharedBlock(inputs, outputs, labels, config.noise_channels, config.hidden[stage])
            if shared
            else SpadeBlock(inputs, outputs, condition)
            for stage, (inputs, outputs) in enumerate(
                zip(config.channels, config.channels[1:], strict=False)
            )
        )
        self.to_rgb = nn.Conv2d(config.channels[-1], 3, 3, padding=1)

    @property
    def stages(self) -> int:
        return self.config.stages

    @property
    def stage_channels(self) -> tuple[int, ...]:
        """Channels of the features that leave each stage."""
        return self.config.channels[1:]

    def branch(self, exit_config: ExitConfig, guide_channels: int) -> "OasisBranch":
        return OasisBranch(self.config, exit_config, guide_channels)

    def predictor_inputs(self, condition: Condition) -> tuple[Tensor, Tensor]:
        """Class shares at a quarter of the image's size, and the noise, averaged over the image."""
        return condition.labels[-3], condition.noise.mean((2, 3))

    def predictor_shape(self) -> tuple[int, int]:
        return self.config.label_channels, self.config.noise_channels

    def condition(self, label_map: Tensor, noise: Tensor) -> Condition:
        """Prepares what the stages share.

        Args:
            label_map: class ids, integer (batch, height, width), 0 ≤ id < classes.
            noise: (batch, noise channels) or (batch, noise channels, h, w), standard normal.
        """
        one_hot = _one_hot(label_map, self.config.classes, noise.dtype)
        sizes = [self.config.stage_size(stage) for stage in range(self.config.stages)]
        if self.config.modulation == "spade":
            labels = tuple(F.interpolate(one_hot, size=size, mode="nearest") for size in sizes)
        else:
            labels = tuple(_with_coordinates(level) for level in _shares(one_hot, len(sizes)))
        return Condition(labels, noise if noise.dim() == 4 else noise[:, :, None, None])

    def stage(self, index: int, features: Tensor | None, condition: Condition) -> Tensor:
        """Runs stage ``index`` (0-based) on what the stage before returned (None for the first)."""
        labels, noise = condition.labels[index], condition.noise_at(index)
        if features is None:
            features = self._enter(labels, noise)
        else:
            features = F.interpolate(features, scale_factor=2, mode="nearest")
        return self.blocks[index](features, labels, noise)

    def _enter(self, labels: Tensor, noise: Tensor) -> Tensor:
        noise = noise.expand(-1, -1, *labels.shape[2:])
        if self.config.modulation == "spade":
            return self.head(torch.cat([noise, labels], 1))
        return self.head(torch.cat([labels, noise], 1)) + self.place

    def to_image(self, features: Tensor) -> Tensor:
        """Features of the last stage to an image in [-1, 1], (batch, 3, height, width)."""
        return torch.tanh(self.to_rgb(F.leaky_relu(features, LEAK)))

    def forward(self, label_map: Tensor, noise: Tensor) -> Tensor:
        condition, features = self.condition(label_map, noise), None
        for index in range(self.config.stages):
            features = self.stage(index, features, condition)
        assert features is not None
        return self.to_image(features)


class OasisBranch(nn.Module):
    """A lighter copy of the remaining stages (FIANCEE, arXiv 2304.10306).

    The trunk's features, joined with the guide, pass a 1x1 convolution to the branch's width,
    then the thin stages up to half the image's size; the last doubling is a pixel shuffle,
    since thin layers at full resolution cost more time than their MACs say.
    """

    def __init__(self, config: OasisConfig, exit_config: ExitConfig, guide_channels: int) -> None:
        super().__init__()
        self.first = exit_config.stage
        scale = exit_config.scale_factor
        channels = [_thinner(c, scale) for c in config.channels[self.first : -1]]
        self.guide_channels = guide_channels
        self.join = nn.Conv2d(config.channels[self.first] + guide_channels, channels[0], 1)
        labels = config.label_channels
        embedding = config.hidden or (SPADE_HIDDEN,) * config.stages
        hidden = [_thinner(h, scale**0.5) for h in embedding[self.first : -1]]
        self.blocks = nn.ModuleList(
            SharedBlock(inputs, outputs, labels, config.noise_channels, width)
            for inputs, outputs, width in zip(channels[:-1], channels[1:], hidden, strict=True)
        )
        self.to_rgb = nn.Conv2d(channels[-1] + labels * 4, 12, 3, padding=1)

    def forward(self, features: Tensor, condition: Condition, guide: Tensor | None) -> Tensor:
        if self.guide_channels:
            features = torch.cat([features, self._fitted(guide, features)], 1)
        features = self.join(features)
        for stage, block in enumerate(self.blocks, self.first):
            features = F.interpolate(features, scale_factor=2, mode="nearest")
            features = block(features, condition.labels[stage], condition.noise_at(stage))
        # The map's own pixels, folded to half size, keep edges where they were drawn.
        edges = _folded(condition.labels[-1])
        pixels = self.to_rgb(torch.cat([F.leaky_relu(features, LEAK), edges], 1))
        return torch.tanh(F.pixel_shuffle(pixels, 2))

    def _fitted(self, guide: Tensor | None, features: Tensor) -> Tensor:
        if guide is None:
            size = (len(features), self.guide_channels, *features.shape[2:])
            return features.new_zeros(size)
        mode = "area" if guide.shape[2] > features.shape[2] else "nearest"
        return F.interpolate(guide, size=features.shape[2:], mode=mode)


def _thinner(channels: int, scale_factor: float) -> int:
    """Channels divided by the scale factor, to a multiple of 8."""
    return max(8, round(channels / scale_factor / 8) * 8)


def _one_hot(label_map: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """Class ids (batch, height, width) as (batch, classes, height, width), channels last.

    ``F.one_hot`` checks every pixel and fills 64-bit integers: half a cheap exit's time.
    """
    one_hot = torch.zeros(*label_map.shape, classes, dtype=dtype, device=label_map.device)
    one_hot.scatter_(-1, label_map.long().unsqueeze(-1), 1)
    return one_hot.permute(0, 3, 1, 2)


def _shares(one_hot: Tensor, levels: int) -> list[Tensor]:
    """Class shares per cell, coarse to fine: a pole thinner than a cell still shows in it."""
    pyramid = [one_hot]
    for _ in range(levels - 1):
        cells = _folded(pyramid[-1]).unflatten(1, (4, -1))
        pyramid.append(cells.mean(1).contiguous(memory_format=torch.channels_last))
    return pyramid[::-1]


def _folded(maps: Tensor) -> Tensor:
    """Each 2x2 cell's pixels one after another in the channels, at half the size.

    ``F.pixel_unshuffle`` and ``F.avg_pool2d`` are many times slower on channels-last tensors.
    """
    batch, channels, height, width = maps.shape
    rows = maps.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 2, 2 * channels)
    cells = rows.transpose(2, 3).reshape(batch, height // 2, width // 2, 4 * channels)
    return cells.permute(0, 3, 1, 2)


def _with_coordinates(labels: Tensor) -> Tensor:
    batch, _, height, width = labels.shape
    y = torch.linspace(-1, 1, height, device=labels.device, dtype=labels.dtype)
    x = torch.linspace(-1, 1, width, device=labels.device, dtype=labels.dtype)
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")).expand(batch, -1, -1, -1)
    return torch.cat([labels, grid], 1).contiguous(memory_format=torch.channels_last)
