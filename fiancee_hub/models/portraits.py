"""The face generator as a trunk of stages: a source person with another head's motion.

After MegaPortraits (Drobyshev et al., MM 2022): an appearance encoder turns the source into a
feature volume and a global descriptor; motion descriptors of source and driver warp the volume
to the canonical head and on to the driver's pose; a 2D generator makes the picture. Here the
motion comes from landmarks instead of a latent code, and finer features of the source are warped
along a flow beside the volume, since our few training persons cannot teach a generator to
repaint a face from memory.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.models.exits import Branch, ExitConfig, Trunk
from fiancee_hub.models.thinning import inherit_stages, strongest, take, thinner
from fiancee_hub.models.warps import (
    full_precision,
    identity_grid,
    rigid_volume_grid,
    sample,
    thin_plate_flow,
)

LEAK = 0.2
MAP_CHANNELS = 10
"""Regions in a face map, see ``faces.outlines``."""

LANDMARKS = 478
CROWN_POINTS = 17
"""Points of a head's outline above the ears, see ``faces.motion``."""

MOUTH = 3
"""The one between the lips."""

MOUTH_GATE = 2.0
"""Logit of the paint's share between the lips before training; elsewhere it is half."""

CONTROL_POINTS = (
    10, 297, 284, 389, 454, 361, 397, 379, 400, 152, 176, 150, 172, 132, 234, 162, 54, 67,
    61, 91, 84, 314, 321, 291, 270, 267, 37, 40, 78, 88, 87, 317, 318, 308, 310, 312, 82, 80,
    33, 163, 145, 154, 133, 157, 159, 161, 263, 390, 374, 381, 362, 384, 386, 388,
    70, 105, 107, 52, 300, 334, 336, 282, 168, 6, 195, 4, 98, 327, 2, 50, 280, 205, 425, 151, 199,
    468, 473,
)  # fmt: skip
"""Landmarks that carry the flow."""


@dataclass(frozen=True)
class PortraitConfig:
    """Shape of a face generator.

    Args:
        size: side of the picture in pixels, a multiple of 32.
        channels: channels leaving l1 … lN. l1 and l2 run at the volume's size, which every later
            stage doubles.
        encoder: channels of the source's features, from half the picture's size down to the
            volume's size.
        depth: cells of the volume in depth; divides the last of ``encoder``.
        blocks: residual blocks in each stage of the trunk and level of the encoder.
        motion_channels: width of the network that corrects flow and mask.
        descriptor: length of the global descriptor.
    """

    size: int
    channels: tuple[int, ...]
    encoder: tuple[int, ...]
    depth: int = 8
    blocks: int = 1
    motion_channels: int = 48
    descriptor: int = 128

    @property
    def height(self) -> int:
        return self.size

    @property
    def width(self) -> int:
        return self.size

    @property
    def stages(self) -> int:
        return len(self.channels)

    def stage_size(self, stage: int) -> int:
        """Side of the features that leave stage ``stage`` (0-based)."""
        return self.size // 2 ** (self.stages - 1 - max(stage, 1))

    def warped_channels(self, stage: int) -> int:
        """Channels of what the source gives to a stage: its features, or at the end its pixels."""
        level = len(self.encoder) - max(stage, 1)
        return self.encoder[level] if level >= 0 else 3

    def half_size(self) -> "PortraitConfig":
        """The same generator without its last stage, for the first part of the training."""
        return replace(self, size=self.size // 2, channels=self.channels[:-1])


class Head(NamedTuple):
    """A head in a picture: everything in [-1, 1] of the picture, y down, z away.

    ``points`` (batch, 478, 3) landmarks; ``crown`` (batch, n, 3) outline of the head above the
    ears; ``pose`` (batch, 3, 4) canonical points to picture axes; ``map`` (batch, 10, size / 2,
    size / 2) regions, uint8.
    """

    points: Tensor
    crown: Tensor
    pose: Tensor
    map: Tensor


class Appearance(NamedTuple):
    """What the encoder makes of a source; serves any number of drivers.

    ``picture`` (batch, 3, size, size) in [-1, 1]; ``features`` from the finest to the volume's
    size; ``descriptor`` (batch, length).
    """

    picture: Tensor
    features: tuple[Tensor, ...]
    descriptor: Tensor


class Condition(NamedTuple):
    """What all stages share: appearance, flow (batch, 2, h, w), the warped volume with its depth
    folded into the channels, and the target's map at the size of each stage."""

    appearance: Appearance
    flow: Tensor
    volume: Tensor
    maps: tuple[Tensor, ...]
    source_map: Tensor

    def warped(self, stage: int) -> Tensor:
        """What the source gives to a stage (0-based), moved to where the target has it."""
        if stage < 2:
            return self.volume
        level = len(self.appearance.features) - stage
        return (
            sample(self.appearance.features[level], self.flow)
            if level >= 0
            else self.warped_picture()
        )

    def warped_picture(self) -> Tensor:
        """The source picture along the flow."""
        return sample(self.appearance.picture, self.flow)


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


class Encoder(nn.Module):
    """Source picture and its face map to ``Appearance``."""

    def __init__(self, config: PortraitConfig) -> None:
        super().__init__()
        widths = config.encoder
        # A generator of half the size starts its encoder at full resolution instead.
        self.stride = 2 if config.size // 2 ** len(widths) == config.stage_size(0) else 1
        self.stem = nn.Conv2d(3 + MAP_CHANNELS, widths[0], 3, self.stride, 1)
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths))
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(config.blocks))) for width in widths
        )
        self.describe = nn.Linear(widths[-1], config.descriptor)

    def forward(self, picture: Tensor, face_map: Tensor) -> Appearance:
        doubled = F.interpolate(face_map, size=picture.shape[2:], mode="bilinear")
        features = self.stem(torch.cat([picture, doubled.to(picture.dtype)], 1))
        levels = [unit_length(self.blocks[0](features))]
        for shrink, block in zip(self.shrink, self.blocks[1:], strict=True):
            levels.append(unit_length(block(shrink(F.leaky_relu(levels[-1], LEAK)))))
        descriptor = self.describe(F.leaky_relu(levels[-1], LEAK).mean((2, 3)))
        return Appearance(picture, tuple(levels), descriptor)


class MotionNet(nn.Module):
    """Corrects the landmarks' flow, and says what moves with the head.

    Landmarks know the face; hair, shoulders and background must be learnt. Starts at zero: the
    picture then is a plain warp inside the head's outline, and the source outside.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inputs = 2 * MAP_CHANNELS + 3 + 3 + 2
        self.convs = nn.ModuleList(
            nn.Conv2d(a, channels, 3, padding=1) for a in (4 * inputs, channels, channels)
        )
        self.output = _painting(channels, 4 * 3)

    def forward(self, views: Tensor) -> Tensor:
        """Views (batch, 28, h, w) to corrections (batch, 3, h, w): flow and logit."""
        features = F.pixel_unshuffle(views, 2)
        for conv in self.convs:
            features = F.leaky_relu(unit_length(conv(features)), LEAK)
        return F.pixel_shuffle(self.output(features), 2)


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
        joined = self.join(torch.cat([warped, face_map.to(warped.dtype)], 1))
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


class PortraitGenerator(nn.Module):
    """Source picture and two heads to an image, stage by stage."""

    expression_basis: Tensor

    def __init__(self, config: PortraitConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.motion = MotionNet(config.motion_channels)
        self.stage_list = nn.ModuleList(
            Stage(before, config.warped_channels(stage), width, config.blocks, config.descriptor)
            for stage, (before, width) in enumerate(
                zip((0, *config.channels[:-1]), config.channels, strict=True)
            )
        )
        self.to_rgb = _painting(config.channels[-1], 4)
        # What each blendshape adds to the landmarks; fitted to the training persons.
        self.register_buffer("expression_basis", torch.zeros(52, 478, 3))

    @property
    def stages(self) -> int:
        return self.config.stages

    @property
    def stage_channels(self) -> tuple[int, ...]:
        """Channels of the features that leave each stage."""
        return self.config.channels

    def branch(self, exit_config: ExitConfig, guide_channels: int) -> "PortraitBranch":
        return PortraitBranch(self.config, exit_config, guide_channels)

    def encode(self, picture: Tensor, source: Head) -> Appearance:
        """Reads a source once; the result serves many drivers.

        Args:
            picture: (batch, 3, size, size) in [-1, 1].
            source: the head in it.
        """
        appearance: Appearance = self.encoder(picture, _as_shares(source.map))
        return appearance

    def condition(self, appearance: Tensor | Appearance, source: Head, target: Head) -> Condition:
        """Prepares what the stages share.

        Args:
            appearance: the source picture (batch, 3, size, size) in [-1, 1], or what ``encode``
                made of it.
            source: the head in the source picture.
            target: the head to show: the source's shape with the driver's motion.
        """
        if isinstance(appearance, Tensor):
            appearance = self.encode(appearance, source)
        flow, weight = self._flow(appearance, source, target)
        volume = self._warped_volume(appearance.features[-1], source, target, flow, weight)
        maps = _pyramid(_as_shares(target.map), self.config)
        return Condition(appearance, flow, volume, maps, _as_shares(source.map))

    def _flow(self, appearance: Appearance, source: Head, target: Head) -> tuple[Tensor, Tensor]:
        """Flow (batch, 2, h, w) at twice the volume's size, and the head's share."""
        side = 2 * self.config.stage_size(0)
        controls = [
            torch.cat([head.points[:, list(CONTROL_POINTS)], head.crown], 1)
            for head in (source, target)
        ]
        with full_precision(source.points):
            grid = identity_grid(side, side, source.points)
            flow = thin_plate_flow(controls[0][..., :2], controls[1][..., :2], grid)
            flow = flow.permute(0, 3, 1, 2).clamp(-1, 1)
        maps = [F.adaptive_avg_pool2d(_as_shares(h.map), side) for h in (source, target)]
        prior = F.avg_pool2d(maps[1][:, :1], 7, 1, 3, count_include_pad=False)
        small = F.adaptive_avg_pool2d(appearance.picture.float(), side)
        views = [small, sample(small, flow * prior), *maps, flow]
        correction = self.motion(torch.cat(views, 1).to(appearance.descriptor.dtype)).float()
        logit = torch.logit(prior.clamp(0.01, 0.99))
        weight = torch.sigmoid(logit + correction[:, 2:])
        return weight * flow + 0.1 * correction[:, :2], weight

    def _warped_volume(
        self, features: Tensor, source: Head, target: Head, flow: Tensor, weight: Tensor
    ) -> Tensor:
        """The source's volume around the target's head, depth folded into the channels.

        Inside the head cells turn in depth with the skull; elsewhere they follow the flow.
        """
        depth, side = self.config.depth, self.config.stage_size(0)
        with full_precision(features):
            rigid = rigid_volume_grid(source.pose, target.pose, (depth, side, side))
            small = F.adaptive_avg_pool2d(torch.cat([flow, weight], 1), side)
            plane = identity_grid(side, side, flow) + small[:, :2].permute(0, 2, 3, 1)
            z = rigid_volume_grid(target.pose, target.pose, (depth, side, side))[..., 2:]
            flat = torch.cat([plane[:, None].expand(-1, depth, -1, -1, -1), z], -1)
            share = small[:, 2, None, :, :, None]
            volume = features.float().unflatten(1, (-1, depth))
            warped = F.grid_sample(
                volume,
                share * rigid + (1 - share) * flat,
                padding_mode="border",
                align_corners=False,
            )
        return warped.flatten(1, 2).to(features.dtype)

    def stage(self, index: int, features: Tensor | None, condition: Condition) -> Tensor:
        """Runs stage ``index`` (0-based) on what the stage before returned (None for the first)."""
        run = self.stage_list[index]
        refined: Tensor = run(
            features,
            condition.warped(index),
            condition.maps[index],
            condition.appearance.descriptor,
        )
        return refined

    def to_image(self, features: Tensor, condition: Condition) -> Tensor:
        """Features of the last stage to an image in [-1, 1], (batch, 3, size, size)."""
        raw = self.to_rgb(F.leaky_relu(unit_length(features), LEAK))
        return _composed(raw, condition.warped_picture(), condition)

    def predictor_inputs(self, condition: Condition) -> tuple[Tensor, Tensor]:
        """Maps of both heads and the flow at the volume's size; the source's descriptor."""
        side = self.config.stage_size(0)
        views = [condition.maps[0], condition.source_map, condition.flow]
        pooled = [F.adaptive_avg_pool2d(view.float(), side) for view in views]
        return torch.cat(pooled, 1), condition.appearance.descriptor

    def predictor_shape(self) -> tuple[int, int]:
        return 2 * MAP_CHANNELS + 2, self.config.descriptor

    @torch.no_grad()
    def example_inputs(self, *, encoded: bool = True) -> tuple[Tensor | Appearance, Head, Head]:
        """A grey picture, and a head whose landmarks lie on a spiral."""
        size = self.config.size
        turn = torch.arange(LANDMARKS + CROWN_POINTS).float()
        spiral = torch.stack([turn * turn.cos(), turn * turn.sin(), torch.zeros_like(turn)], 1)
        points, crown = (spiral / len(spiral))[None].split([LANDMARKS, CROWN_POINTS], 1)
        face_map = torch.zeros(1, MAP_CHANNELS, size // 2, size // 2, dtype=torch.uint8)
        head = Head(points, crown, torch.eye(3, 4)[None], face_map)
        picture = torch.zeros(1, 3, size, size)
        return self.encode(picture, head) if encoded else picture, head, head

    def forward(self, picture: Tensor, source: Head, target: Head) -> Tensor:
        condition, features = self.condition(picture, source, target), None
        for index in range(self.config.stages):
            features = self.stage(index, features, condition)
        assert features is not None
        return self.to_image(features, condition)


_: type[Trunk] = PortraitGenerator


class PortraitBranch(Branch):
    """A lighter copy of the remaining stages (FIANCEE, arXiv 2304.10306).

    Thin stages up to half the picture's size; the last doubling is a pixel shuffle. The warped
    source joins them as in the trunk: sampling it costs hardly any operation.
    """

    def __init__(
        self, config: PortraitConfig, exit_config: ExitConfig, guide_channels: int
    ) -> None:
        super().__init__(guide_channels)
        self.first = exit_config.stage
        scale = exit_config.scale_factor
        entering = config.channels[self.first - 1]
        widths = [thinner(c, scale) for c in config.channels[self.first - 1 : -1]]
        self.join = nn.Conv2d(entering + guide_channels, widths[0], 1)
        self.stages = nn.ModuleList(
            Stage(before, config.warped_channels(stage), width, 1, config.descriptor)
            for stage, (before, width) in enumerate(pairwise(widths), self.first)
        )
        self.to_rgb = _painting(widths[-1] + 12, 16)

    def forward(self, features: Tensor, condition: Condition, guide: Tensor | None) -> Tensor:
        features = self.join(self.with_guide(features, guide))
        for index, stage in enumerate(self.stages, self.first):
            features = stage(
                features,
                condition.warped(index),
                condition.maps[index],
                condition.appearance.descriptor,
            )
        warped = condition.warped_picture()
        folded = F.pixel_unshuffle(warped, 2).to(features.dtype)
        features = F.leaky_relu(unit_length(features), LEAK)
        pixels = self.to_rgb(torch.cat([features, folded], 1))
        return _composed(F.pixel_shuffle(pixels, 2), warped, condition)

    def inherit(self, trunk: PortraitGenerator) -> None:
        """Starts from the trunk's later stages."""
        inherit_stages(self.join, list(self.stages), list(trunk.stage_list[self.first :]))


def _painting(inputs: int, outputs: int) -> nn.Conv2d:
    """A last convolution that starts by changing nothing: training begins at the plain warp."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.zeros_(conv.weight)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


def _composed(raw: Tensor, warped: Tensor, condition: Condition) -> Tensor:
    """The warped source, repainted where the network opens the gate.

    Painting adds to the warp instead of replacing it: training then starts from a plain warp,
    and nothing drives the gate shut before there is anything worth painting.

    Args:
        raw: (batch, 4, size, size), change of colour and the logit of the gate.
        warped: the source picture along the flow.
        condition: of the call.
    """
    # No warp opens a mouth: between the lips the gate starts open.
    prior = MOUTH_GATE * condition.maps[-1][:, MOUTH : MOUTH + 1]
    gate = torch.sigmoid(raw[:, 3:].float() + prior)
    return (warped.float() + gate * 2 * torch.tanh(raw[:, :3].float())).clamp(-1, 1)


def unit_length(features: Tensor) -> Tensor:
    """Features (batch, channels, h, w) of mean square 1 at every pixel (Karras et al., ICLR 2018).

    Without it Adam blows the features up until the gate sticks; unlike batch normalisation it
    is the same in training and use.
    """
    power = features.float().square().mean(1, keepdim=True)
    return features * torch.rsqrt(power + 1e-6).to(features.dtype)


def _as_shares(face_map: Tensor) -> Tensor:
    return face_map.float() / 255


def _pyramid(face_map: Tensor, config: PortraitConfig) -> tuple[Tensor, ...]:
    """The map at the size of every stage."""
    maps = []
    for stage in range(config.stages):
        side = config.stage_size(stage)
        if side > face_map.shape[2]:
            maps.append(F.interpolate(face_map, size=(side, side), mode="bilinear"))
        else:
            maps.append(F.adaptive_avg_pool2d(face_map, side))
    return tuple(maps)
