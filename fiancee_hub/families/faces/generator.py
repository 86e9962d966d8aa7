"""The face generator as a trunk of stages: a source person with another head's motion.

After MegaPortraits (Drobyshev et al., MM 2022): an appearance encoder turns the source into a
feature volume and a global descriptor; motion descriptors of source and driver warp the volume
to the canonical head and on to the driver's pose; a 2D generator makes the picture. Here the
motion comes from landmarks instead of a latent code, and finer features of the source are warped
along a flow beside the volume, since our few training persons cannot teach a generator to
repaint a face from memory.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.exits import Branch, ExitConfig, GuideConfig, Trunk
from fiancee_hub.core.normalisation import unit_length
from fiancee_hub.core.precision import full_precision
from fiancee_hub.core.thinning import inherit_stages, thinner
from fiancee_hub.families.faces.config import PortraitConfig
from fiancee_hub.families.faces.heads import (
    CROWN_POINTS,
    LANDMARKS,
    MAP_CHANNELS,
    MOUTH,
    Head,
    as_shares,
    at_side,
    landmark_flow,
    pooled,
)
from fiancee_hub.families.faces.layers import (
    LEAK,
    Block,
    MaskNet,
    Stage,
    painting,
    unshuffled,
)
from fiancee_hub.families.faces.warps import (
    area_ratio,
    identity_grid,
    rigid_volume_grid,
    sample,
    sample_volume,
)
from fiancee_hub.families.faces.windows import Windows

MOUTH_GATE = 2.0
"""Logit of the paint's share between the lips before training; elsewhere it is half."""

ERASED_GATE = 4.0
"""Added to that logit where the warped source is erased."""

VOLUME_STAGES = 2
"""Stages that run at the volume's size."""

SHIFT = 0.1
"""Unit of the learnt correction of the flow."""

STILL = 0.02
"""Mean length of the landmarks' flow at which half of the correction holds."""


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
    folded into the channels, both heads' maps as shares (batch, 10, size / 2, size / 2), and what
    is kept of the warped source (batch, 1, h, w), 0 to 1, from the volume's size to the
    picture's; empty in a generator that erases nothing."""

    appearance: Appearance
    flow: Tensor
    volume: Tensor
    target_map: Tensor
    source_map: Tensor
    kept: tuple[Tensor, ...] = ()

    def warped(self, stage: int) -> Tensor:
        """What the source gives to a stage (0-based), moved to where the target has it; what
        shall be painted anew is erased."""
        if stage < VOLUME_STAGES:
            return self.volume
        level = len(self.appearance.features) - stage
        if level < 0:
            return self.warped_picture()
        return self._erased(sample(self.appearance.features[level], self.flow), stage - 1)

    def warped_picture(self) -> Tensor:
        """The source picture along the flow; what shall be painted anew is grey."""
        return self._erased(self.moved_picture(), -1)

    def moved_picture(self) -> Tensor:
        """The source picture along the flow, nothing erased."""
        return sample(self.appearance.picture, self.flow)

    def cut(self, windows: Windows) -> "Condition":
        """The same inside windows: with features that have been moved already, and no flow."""
        cells = self.volume.shape[2]
        features = tuple(
            windows.cut(sample(level, self.flow), cells) for level in self.appearance.features
        )
        appearance = Appearance(
            windows.cut(self.moved_picture(), cells),
            features,
            self.appearance.descriptor[windows.owner],
        )
        volume = windows.cut(self.volume, cells)
        return Condition(
            appearance,
            self.flow.new_zeros(len(windows.owner), 2, *volume.shape[2:]),
            volume,
            windows.cut(self.target_map, cells),
            windows.cut(self.source_map, cells),
            tuple(windows.cut(size, cells) for size in self.kept),
        )

    def _erased(self, warped: Tensor, size: int) -> Tensor:
        return warped * self.kept[size].to(warped.dtype) if self.kept else warped


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
        seen = torch.cat([picture, doubled.to(picture.dtype)], 1)
        features = self.stem(seen.to(self.stem.weight.dtype))
        levels = [unit_length(self.blocks[0](features))]
        for shrink, block in zip(self.shrink, self.blocks[1:], strict=True):
            levels.append(unit_length(block(shrink(F.leaky_relu(levels[-1], LEAK)))))
        descriptor = self.describe(F.leaky_relu(levels[-1], LEAK).mean((2, 3)))
        return Appearance(picture, tuple(levels), descriptor)


class MotionNet(nn.Module):
    """Corrects the landmarks' flow, and says what turns with the head.

    Landmarks know the face; hair, shoulders and background must be learnt. Starts at zero: the
    picture then is the plain warp.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inputs = 2 * MAP_CHANNELS + 3 + 3 + 2
        self.convs = nn.ModuleList(
            nn.Conv2d(a, channels, 3, padding=reach, dilation=reach)
            for a, reach in ((4 * inputs, 1), (channels, 2), (channels, 4))
        )
        self.output = painting(channels, 4 * 4)

    def forward(self, views: Tensor) -> Tensor:
        """Views (batch, 28, h, w) to corrections (batch, 4, h, w): shift, gain and logit."""
        features = unshuffled(views, 2)
        for conv in self.convs:
            features = F.leaky_relu(unit_length(conv(features)), LEAK)
        return F.pixel_shuffle(self.output(features), 2)


class PortraitGenerator(Trunk):
    """Source picture and two heads to an image, stage by stage."""

    expression_basis: Tensor

    def __init__(self, config: PortraitConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.motion = MotionNet(config.motion_channels)
        self.masks = (
            MaskNet(config.mask_channels, config.stages - 1) if config.mask_channels else None
        )
        self.stage_list = nn.ModuleList(
            Stage(before, config.warped_channels(stage), width, config.blocks, config.descriptor)
            for stage, (before, width) in enumerate(
                zip((0, *config.channels[:-1]), config.channels, strict=True)
            )
        )
        self.to_rgb = painting(config.channels[-1], 4)
        # What each blendshape adds to the landmarks; fitted to the training persons.
        self.register_buffer("expression_basis", torch.zeros(52, 478, 3))

    @property
    def stages(self) -> int:
        return self.config.stages

    @property
    def stage_channels(self) -> tuple[int, ...]:
        """Channels of the features that leave each stage."""
        return self.config.channels

    def branch(self, exit_config: ExitConfig, guides: GuideConfig) -> "PortraitBranch | WarpBranch":
        if not exit_config.stage:
            return WarpBranch(0)
        return PortraitBranch(self.config, exit_config, guides.channels)

    def encode(self, picture: Tensor, source: Head) -> Appearance:
        """Reads a source once; the result serves many drivers.

        Args:
            picture: (batch, 3, size, size) in [-1, 1].
            source: the head in it.
        """
        appearance: Appearance = self.encoder(picture, as_shares(source.map))
        return appearance

    def read_ahead(self, picture: Tensor, source: Head, target: Head) -> tuple[Any, ...]:
        return self.encode(picture, source), source, target

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
        maps = as_shares(source.map), as_shares(target.map)
        flow, share = self._flow(appearance.picture, source, target, maps)
        volume = self._warped_volume(appearance.features[-1], source, target, flow, share)
        logits = self._mask_logits(appearance.picture, flow, share, maps)
        kept = tuple(torch.sigmoid(logit) for logit in logits)
        if kept:
            volume = volume * kept[0].to(volume.dtype)
        return Condition(appearance, flow, volume, maps[1], maps[0], kept)

    def mask_logits(self, picture: Tensor, source: Head, target: Head) -> list[Tensor]:
        """Logits of what is kept of the warped source, (batch, 1, side, side) from the volume's
        size to the picture's, with gradients to the masks' network alone.

        Args:
            picture: the source, (batch, 3, size, size) in [-1, 1].
            source: the head in it.
            target: the head to show.
        """
        maps = as_shares(source.map), as_shares(target.map)
        with torch.no_grad():
            flow, share = self._flow(picture, source, target, maps)
        return self._mask_logits(picture, flow, share, maps)

    def _mask_logits(
        self, picture: Tensor, flow: Tensor, share: Tensor, maps: tuple[Tensor, Tensor]
    ) -> list[Tensor]:
        if self.masks is None:
            return []
        side = flow.shape[2]
        small = sample(pooled(picture.float(), side), flow)
        # Folds and strong stretching are all alike.
        area = area_ratio(flow).clamp(-1, 2)
        views = torch.cat([small, at_side(maps[0], side), flow, area, share], 1)
        dtype = self.masks.look.weight.dtype
        logits = self.masks(views.to(dtype), at_side(maps[1], 2 * side).to(dtype))
        return [logit.float() for logit in logits]

    def _flow(
        self, picture: Tensor, source: Head, target: Head, maps: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Flow (batch, 2, h, w) at twice the volume's size, and the head's share."""
        side = 2 * self.config.stage_size(0)
        spline = landmark_flow(source, target, side)
        small_maps = [at_side(face_map, side) for face_map in maps]
        small = pooled(picture.float(), side)
        views = [small, sample(small, spline), *small_maps, spline]
        correction = self.motion(torch.cat(views, 1).to(self.motion.output.weight.dtype)).float()
        # Heads that hardly differ need hardly a correction.
        moved = spline.norm(dim=1, keepdim=True).mean((2, 3), keepdim=True)
        shift = SHIFT * moved / (moved + STILL) * correction[:, :2]
        prior = F.avg_pool2d(small_maps[1][:, :1], 7, 1, 3, count_include_pad=False)
        share = torch.sigmoid(torch.logit(prior.clamp(0.01, 0.99)) + correction[:, 3:])
        return spline * (1 + correction[:, 2:3]) + shift, share

    def _warped_volume(
        self, features: Tensor, source: Head, target: Head, flow: Tensor, turning: Tensor
    ) -> Tensor:
        """The source's volume around the target's head, depth folded into the channels.

        Inside the head cells turn in depth with the skull; elsewhere they follow the flow.
        """
        depth, side = self.config.depth, self.config.stage_size(0)
        with full_precision(features):
            rigid = rigid_volume_grid(source.pose, target.pose, (depth, side, side))
            small = pooled(torch.cat([flow, turning], 1), side)
            plane = identity_grid(side, side, flow) + small[:, :2].permute(0, 2, 3, 1)
            z = rigid_volume_grid(target.pose, target.pose, (depth, side, side))[..., 2:]
            flat = torch.cat([plane[:, None].expand(-1, depth, -1, -1, -1), z], -1)
            share = small[:, 2, None, :, :, None]
            volume = features.float().unflatten(1, (-1, depth))
            warped = sample_volume(volume, share * rigid + (1 - share) * flat)
        return warped.flatten(1, 2).to(features.dtype)

    def stage(self, index: int, features: Tensor | None, condition: Condition) -> Tensor:
        """Runs stage ``index`` (0-based) on what the stage before returned (None for the first)."""
        run = self.stage_list[index]
        refined: Tensor = run(
            features,
            condition.warped(index),
            condition.target_map,
            condition.appearance.descriptor,
        )
        return refined

    def to_image(self, features: Tensor, condition: Condition) -> Tensor:
        """Features of the last stage to an image in [-1, 1], (batch, 3, size, size)."""
        raw = self.to_rgb(F.leaky_relu(unit_length(features), LEAK))
        return _composed(raw, condition.warped_picture(), condition)

    def painted(self, condition: Condition, windows: Windows) -> Tensor:
        """Full depth inside windows alone, (windows, 3, side, side): the stages of the volume's
        size run whole, the later and larger ones on the windows. Near a window's border the
        numbers differ from the whole picture's: what lies beyond it is not seen there."""
        features = None
        for index in range(VOLUME_STAGES):
            features = self.stage(index, features, condition)
        inside = condition.cut(windows)
        assert features is not None
        features = windows.cut(features, condition.volume.shape[2])
        for index in range(VOLUME_STAGES, self.stages):
            features = self.stage(index, features, inside)
        return self.to_image(features, inside)

    def predictor_inputs(self, condition: Condition) -> tuple[Tensor, Tensor]:
        """Maps of both heads, the flow, and what is kept if anything is erased, at the volume's
        size; the source's descriptor."""
        side = self.config.stage_size(0)
        views = [condition.target_map, condition.source_map, condition.flow, *condition.kept[-1:]]
        coarse = torch.cat([pooled(view.float(), side) for view in views], 1)
        return coarse, condition.appearance.descriptor

    def predictor_shape(self) -> tuple[int, int]:
        masks = 1 if self.config.mask_channels else 0
        return 2 * MAP_CHANNELS + 2 + masks, self.config.descriptor

    @torch.no_grad()
    def example_inputs(self, *, encoded: bool = True) -> tuple[Any, ...]:
        """A grey picture, and a head whose landmarks lie on a spiral."""
        size = self.config.size
        turn = torch.arange(LANDMARKS + CROWN_POINTS, dtype=torch.float32)
        spiral = torch.stack([turn * turn.cos(), turn * turn.sin(), torch.zeros_like(turn)], 1)
        points, crown = (spiral / len(spiral))[None].split([LANDMARKS, CROWN_POINTS], 1)
        face_map = torch.zeros(1, MAP_CHANNELS, size // 2, size // 2, dtype=torch.uint8)
        head = Head(points, crown, torch.eye(3, 4, dtype=torch.float32)[None], face_map)
        picture = torch.zeros(1, 3, size, size, dtype=torch.float32)
        return self.read_ahead(picture, head, head) if encoded else (picture, head, head)


class WarpBranch(Branch):
    """The exit before the first stage: the source along the flow, and nothing painted."""

    def forward(
        self, features: Tensor | None, condition: Condition, guide: Tensor | None
    ) -> Tensor:
        return condition.moved_picture().float().clamp(-1, 1)

    def inherit(self, trunk: PortraitGenerator) -> None:
        """There is nothing to take over."""


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
        self.to_rgb = painting(widths[-1] + 12, 16)

    def forward(self, features: Tensor, condition: Condition, guide: Tensor | None) -> Tensor:
        features = self.join(self.with_guide(features, guide))
        for index, stage in enumerate(self.stages, self.first):
            features = stage(
                features,
                condition.warped(index),
                condition.target_map,
                condition.appearance.descriptor,
            )
        warped = condition.warped_picture()
        folded = unshuffled(warped, 2).to(features.dtype)
        features = F.leaky_relu(unit_length(features), LEAK)
        pixels = self.to_rgb(torch.cat([features, folded], 1))
        return _composed(F.pixel_shuffle(pixels, 2), warped, condition)

    def gated(self) -> list[nn.Parameter]:
        """Those of the last convolution, which says where the warp is repainted."""
        return list(self.to_rgb.parameters())

    def inherit(self, trunk: PortraitGenerator) -> None:
        """Starts from the trunk's later stages."""
        inherit_stages(self.join, list(self.stages), list(trunk.stage_list[self.first :]))


def _composed(raw: Tensor, warped: Tensor, condition: Condition) -> Tensor:
    """The warped source, repainted where the network opens the gate.

    Painting adds to the warp instead of replacing it: training then starts from a plain warp,
    and nothing drives the gate shut before there is anything worth painting.

    Args:
        raw: (batch, 4, size, size), change of colour and the logit of the gate.
        warped: the source picture along the flow, erased where it is painted anew.
        condition: of the call.
    """
    # No warp opens a mouth: between the lips the gate starts open.
    mouth = condition.target_map[:, MOUTH : MOUTH + 1]
    prior = MOUTH_GATE * at_side(mouth, raw.shape[2])
    if condition.kept:
        # What has been erased must be painted.
        prior = prior + ERASED_GATE * (1 - condition.kept[-1].float())
    raw = raw.float()
    gate = torch.sigmoid(raw[:, 3:] + prior)
    # Of all channels: a part of them is not contiguous, which takes forty times as long.
    change = torch.tanh(raw)[:, :3]
    return (warped.float() + gate * 2 * change).clamp(-1, 1)
