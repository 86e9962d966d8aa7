"""The OASIS generator (Sushko et al., ICLR 2021) as a trunk of stages.

One class covers the official networks (``modulation="spade"``) and the light one that we train
(``modulation="shared"``: one small embedding of label map and noise per stage, and a 1x1
convolution per norm, after the finding of CLADE, arXiv 2004.02867, that the modulation needs
hardly any compute).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.exits import Branch, ExitConfig, GuideConfig, Trunk
from fiancee_hub.core.remembered import Remembered
from fiancee_hub.core.thinning import inherit_stages, strongest, take, thinner
from fiancee_hub.families.label_maps.cells import class_shares, folded, one_hot, unfolded
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.painting import Painting

SPADE_HIDDEN = 128
LEAK = 0.2


class Condition(NamedTuple):
    """What every stage is modulated by: label maps of every stage's size, and the noise.

    ``labels[i]`` is (batch, label channels, height, width) at the size of stage i, the last
    stage's left out: only full depth needs it. ``cells`` holds it as class ids, whole numbers
    (batch, 4, height / 2, width / 2), each 2x2 cell's pixels one after another. ``noise`` is
    (batch, noise channels, 1, 1), constant over the image, or (batch, noise channels, h, w).
    """

    labels: tuple[Tensor, ...]
    cells: Tensor
    noise: Tensor

    def noise_for(self, labels: Tensor) -> Tensor:
        """The noise at the size and in the type of a label map; constant noise stays one pixel."""
        noise = self.noise.to(labels.dtype)
        if noise.shape[2:] == (1, 1):
            return noise
        return F.interpolate(noise, size=labels.shape[2:], mode="nearest")


class SharedModulation(nn.Module):
    """Normalisation whose scale and shift come from an embedding through a 1x1 convolution."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale_shift = nn.Conv2d(hidden, 2 * channels, 1)
        self._folded = Remembered()

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        if self.training:
            self._folded.forget()  # The statistics change, and their tensors do not tell.
            scale, shift = self.scale_shift(embedding).chunk(2, 1)
            return torch.addcmul(shift, self.norm(features), 1 + scale)
        weight, bias = self._folded.of(self._sources(), self._fold)
        scale, shift = F.conv2d(embedding, weight, bias).chunk(2, 1)
        return torch.addcmul(shift, features, scale)

    @torch.no_grad()
    def inherit(self, norm: "SharedModulation", channels: Tensor, hidden: Tensor) -> None:
        """Takes over the chosen channels (indices) of a wider modulation."""
        both = torch.cat([channels, channels + norm.norm.num_features])
        take(self.scale_shift, norm.scale_shift, both, hidden)
        for mine, theirs in zip(self.norm.buffers(), norm.norm.buffers(), strict=True):
            mine.copy_(theirs[channels] if theirs.dim() else theirs)

    def _sources(self) -> tuple[Tensor, ...]:
        convolution, mean, var = self.scale_shift, self.norm.running_mean, self.norm.running_var
        assert convolution.bias is not None and mean is not None and var is not None
        return convolution.weight, convolution.bias, mean, var

    def _fold(self, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> tuple[Tensor, ...]:
        """Weight and bias of the convolution with the normalisation's statistics in them.

        One pass over the features instead of two: at full resolution memory, not arithmetic,
        is what takes the time.
        """
        inverse = torch.rsqrt(var + self.norm.eps)
        weight_scale, weight_shift = weight.chunk(2, 0)
        bias_scale, bias_shift = bias.chunk(2, 0)
        weight_scale = weight_scale * inverse.view(-1, 1, 1, 1)
        bias_scale = (1 + bias_scale) * inverse
        weight_shift = weight_shift - weight_scale * mean.view(-1, 1, 1, 1)
        bias_shift = bias_shift - bias_scale * mean
        return torch.cat([weight_scale, weight_shift]), torch.cat([bias_scale, bias_shift])


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
        embedding = F.relu(self._embedded(labels, noise), inplace=True)
        # In place: nothing but the activation reads what the norms return.
        seen = F.leaky_relu(self.norm_0(features, embedding), LEAK, inplace=True)
        residual = self.conv_0(seen)
        seen = F.leaky_relu(self.norm_1(residual, embedding), LEAK, inplace=True)
        residual = self.conv_1(seen)
        return residual + (features if self.conv_s is None else self.conv_s(features))

    def _embedded(self, labels: Tensor, noise: Tensor) -> Tensor:
        of_noise: Tensor = self.embed_noise(noise)
        if of_noise[:, 0].numel() > 1:
            embedded: Tensor = self.embed(labels) + of_noise
            return embedded
        # Noise of one picture is a bias; to add it later is one more pass over all pixels.
        assert self.embed.bias is not None
        bias = self.embed.bias + of_noise.flatten()
        return F.conv2d(labels, self.embed.weight, bias, padding=1)

    @property
    def entry(self) -> nn.Conv2d:
        """The convolution that listens to the features before."""
        return self.conv_0

    @property
    def width(self) -> int:
        """Channels that leave."""
        return self.conv_1.out_channels

    @torch.no_grad()
    def inherit(self, block: "SharedBlock", entering: Tensor, leaving: Tensor) -> None:
        """Takes over the chosen channels (indices) of a wider block of the same kind."""
        modulating = block.norm_0.scale_shift.weight, block.norm_1.scale_shift.weight
        hidden = strongest(torch.cat(modulating), self.embed.out_channels)
        middle = strongest(block.conv_1.weight, self.conv_0.out_channels)
        take(self.embed, block.embed, hidden)
        take(self.embed_noise, block.embed_noise, hidden)
        self.norm_0.inherit(block.norm_0, entering, hidden)
        take(self.conv_0, block.conv_0, middle, entering)
        self.norm_1.inherit(block.norm_1, middle, hidden)
        take(self.conv_1, block.conv_1, leaving, middle)
        if self.conv_s is not None and block.conv_s is not None:
            take(self.conv_s, block.conv_s, leaving, entering)


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


class OasisGenerator(Trunk):
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

    def branch(self, exit_config: ExitConfig, guides: GuideConfig) -> "OasisBranch":
        return OasisBranch(self.config, exit_config, guides)

    def regions(self, condition: Condition) -> Tensor:
        """The class of every pixel, (batch, 4, height / 2, width / 2)."""
        return condition.cells.long()

    def predictor_inputs(self, condition: Condition) -> tuple[Tensor, Tensor]:
        """Class shares at a quarter of the image's size, and the noise, averaged over the image."""
        return condition.labels[-2], condition.noise.mean((2, 3))

    def predictor_shape(self) -> tuple[int, int]:
        return self.config.label_channels, self.config.noise_channels

    def condition(self, label_map: Tensor, noise: Tensor) -> Condition:
        """Prepares what the stages share.

        Args:
            label_map: class ids, integer (batch, height, width), 0 ≤ id < classes.
            noise: (batch, noise channels) or (batch, noise channels, h, w), standard normal.
        """
        ids = label_map.to(noise.dtype)
        cells = folded(ids)
        if self.config.modulation == "shared":
            labels = tuple(class_shares(cells, self.config.classes, self.config.stages - 1))
        else:
            pixels = one_hot(ids, self.config.classes, coordinates=False)
            sizes = [self.config.stage_size(stage) for stage in range(self.config.stages - 1)]
            labels = tuple(F.interpolate(pixels, size=size, mode="nearest") for size in sizes)
        return Condition(labels, cells, noise if noise.dim() == 4 else noise[:, :, None, None])

    def labels_at(self, stage: int, condition: Condition) -> Tensor:
        """The label map at the size of a stage (0-based)."""
        if stage < len(condition.labels):
            return condition.labels[stage]
        shared = self.config.modulation == "shared"
        return one_hot(unfolded(condition.cells), self.config.classes, coordinates=shared)

    def stage(self, index: int, features: Tensor | None, condition: Condition) -> Tensor:
        """Runs stage ``index`` (0-based) on what the stage before returned (None for the first)."""
        labels = self.labels_at(index, condition).to(self.head.weight.dtype)
        noise = condition.noise_for(labels)
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

    def to_image(self, features: Tensor, condition: Condition) -> Tensor:
        """Features of the last stage to an image in [-1, 1], (batch, 3, height, width)."""
        return torch.tanh(self.to_rgb(F.leaky_relu(features, LEAK)))

    def example_inputs(self, *, encoded: bool = True) -> tuple[Tensor, Tensor]:
        """An empty label map and no noise; nothing can be read ahead."""
        label_map = torch.zeros(1, self.config.height, self.config.width, dtype=torch.long)
        return label_map, torch.zeros(1, self.config.noise_channels, dtype=torch.float32)


class OasisBranch(Branch):
    """A lighter copy of the remaining stages (FIANCEE, arXiv 2304.10306).

    The trunk's features, joined with the guide, pass a 1x1 convolution to the branch's width,
    then the thin stages up to half the image's size; the last doubling is a pixel shuffle,
    since thin layers at full resolution cost more time than their MACs say. A guide by region
    has the picture's own pixels, and is joined where the branch paints.
    """

    def __init__(self, config: OasisConfig, exit_config: ExitConfig, guides: GuideConfig) -> None:
        super().__init__(guides.channels)
        self.first = exit_config.stage
        scale = exit_config.scale_factor
        channels = [thinner(c, scale) for c in config.channels[self.first : -1]]
        self.guided_painting = guides.form == "regions"
        at_painting = guides.channels if self.guided_painting else 0
        at_join = guides.channels - at_painting
        self.join = nn.Conv2d(config.channels[self.first] + at_join, channels[0], 1)
        labels = config.label_channels
        embedding = config.hidden or (SPADE_HIDDEN,) * config.stages
        hidden = [thinner(h, scale**0.5) for h in embedding[self.first : -1]]
        self.blocks = nn.ModuleList(
            SharedBlock(inputs, outputs, labels, config.noise_channels, width)
            for inputs, outputs, width in zip(channels[:-1], channels[1:], hidden, strict=True)
        )
        self.to_rgb = Painting(channels[-1], labels, at_painting, config)

    def forward(self, features: Tensor, condition: Condition, guide: Tensor | None) -> Tensor:
        features = self.join(features if self.guided_painting else self.with_guide(features, guide))
        for stage, block in enumerate(self.blocks, self.first):
            features = F.interpolate(features, scale_factor=2, mode="nearest")
            labels = condition.labels[stage].to(self.join.weight.dtype)
            features = block(features, labels, condition.noise_for(labels))
        painted = None
        if self.guided_painting and self.guide_channels:
            painted = self.fitting_guide(features, guide)
        # The map's own pixels keep edges where they were drawn.
        return torch.tanh(self.to_rgb(F.leaky_relu(features, LEAK), condition.cells, painted))

    def inherit(self, trunk: OasisGenerator) -> None:
        """Starts from the trunk's later stages; a SPADE trunk's have another form, and stay out."""
        if isinstance(trunk.blocks[0], SharedBlock):
            inherit_stages(self.join, list(self.blocks), list(trunk.blocks[self.first :]))
        if self.guided_painting and self.guide_channels:
            self._paint_the_guide()

    @torch.no_grad()
    def _paint_the_guide(self) -> None:
        """Hands the guide on as it is; what the other inputs add is small at first."""
        own = self.to_rgb.weight[:, -self.guide_channels :]
        own.zero_()
        own[:, :, 1, 1] = torch.eye(self.guide_channels)
