"""The segmentation network that judges generated scenes; it saw real photographs only.

Encoder: EfficientNet-Lite1 (Tan and Le, ICML 2019, without squeeze-and-excitation and with
ReLU6), started from ImageNet weights and fine-tuned. Decoder: a small U-Net. It shares nothing
with the generator. ``segmenter_training`` trains it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.files import write_text
from fiancee_hub.core.lfs import check_fetched
from fiancee_hub.core.unet import UNet

IGNORED = 255
"""Target of pixels that no score counts."""

ENCODER_BLOCKS = (
    # repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (3, 3, 2, 6, 24),
    (3, 5, 2, 6, 40),
    (4, 3, 2, 6, 80),
    (4, 5, 1, 6, 112),
    (5, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32


@dataclass(frozen=True)
class SegmenterConfig:
    """What the network tells apart.

    Args:
        classes: names of its classes.
        targets: its class for every id of the label maps, ``IGNORED`` where there is none.
        height: height of the pictures it was trained on.
        width: width of the pictures it was trained on.
    """

    classes: tuple[str, ...]
    targets: tuple[int, ...]
    height: int
    width: int

    def judges(self, names: Sequence[str]) -> bool:
        """Whether it was made for label maps of these classes, ``names`` in order of their ids."""
        if len(names) != len(self.targets):
            return False
        pairs = zip(names, self.targets, strict=True)
        meant = {(self.classes[target], name) for name, target in pairs if target != IGNORED}
        return all((name, name) in meant for name in self.classes)

    def target_of(self, label_maps: Tensor) -> Tensor:
        """Label-map ids (n, height, width) to this network's classes and ``IGNORED``, int64."""
        return torch.tensor(self.targets, device=label_maps.device)[label_maps.long()]


class Segmenter(UNet):
    """Images (batch, 3, height, width) in [-1, 1] to logits (batch, classes, height, width)."""

    encoder: "Encoder"

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__(Encoder(), _double_conv, len(config.classes))
        self.config = config

    def forward(self, images: Tensor) -> Tensor:
        logits = self.classify(self.features(images))
        return F.interpolate(logits, size=images.shape[2:], mode="bilinear", align_corners=False)

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """The likeliest class of every pixel, uint8 (batch, height, width)."""
        logits: Tensor = self(images)
        return logits.argmax(1).byte()


class Encoder(nn.Module):
    """EfficientNet-Lite1 up to its last block: images to five levels of features.

    The levels have ``channels`` channels and a half to a thirty-second of the image's size.
    """

    channels = (16, 24, 40, 112, 320)

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv_norm(3, STEM_CHANNELS, 3, stride=2)
        self.blocks = nn.ModuleList(_blocks())

    def forward(self, images: Tensor) -> list[Tensor]:
        levels = []
        features = F.relu6(self.stem(images))
        for block in self.blocks:
            if block.stride == 2:
                levels.append(features)
            features = block(features)
        return [*levels, features]

    def train(self, mode: bool = True) -> "Encoder":
        """Stays in evaluation mode: a few hundred photographs are no basis for statistics."""
        return super().train(False)


class InvertedResidual(nn.Module):
    """MobileNetV2's block: widen, filter each channel, narrow (arXiv 1801.04381)."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.stride = stride
        self.residual = stride == 1 and inputs == outputs
        self.expand = _conv_norm(inputs, hidden, 1) if expansion > 1 else nn.Identity()
        self.depthwise = _conv_norm(hidden, hidden, kernel, stride=stride, groups=hidden)
        self.project = _conv_norm(hidden, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        # Without expansion the input comes from a ReLU6, which a second one leaves alone.
        hidden = F.relu6(self.expand(features))
        projected: Tensor = self.project(F.relu6(self.depthwise(hidden)))
        return projected + features if self.residual else projected


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding, for which the ImageNet weights were made."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int, groups: int) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(
            inputs, outputs, kernel, stride, padding=padding, groups=groups, bias=False
        )

    def forward(self, input: Tensor) -> Tensor:
        if self.stride[0] == 1:
            return super().forward(input)
        kernel, stride = self.kernel_size[0], self.stride[0]
        pads: list[int] = []
        for size in (input.shape[3], input.shape[2]):
            total = max((ceil(size / stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(input, pads))


def _conv_norm(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        SameConv(inputs, outputs, kernel, stride=stride, groups=groups),
        nn.BatchNorm2d(outputs, eps=1e-3),
    )


def _blocks() -> Iterator[InvertedResidual]:
    inputs = STEM_CHANNELS
    for repeats, kernel, stride, expansion, outputs in ENCODER_BLOCKS:
        for index in range(repeats):
            yield InvertedResidual(
                inputs,
                outputs,
                kernel=kernel,
                stride=stride if index == 0 else 1,
                expansion=expansion,
            )
            inputs = outputs


def _double_conv(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.GroupNorm(8, outputs),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


def save_segmenter(model: Segmenter, folder: Path, report: dict[str, Any]) -> None:
    """Writes ``config.json`` and ``model.safetensors`` (float16).

    Args:
        model: the network.
        folder: where to write; made if missing.
        report: figures to keep in the config under ``"report"``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors")
    config = asdict(model.config) | {"report": report}
    write_text(folder / "config.json", json.dumps(config, indent=1) + "\n")


def load_segmenter(folder: Path) -> Segmenter:
    """Reads what ``save_segmenter`` wrote; the network is in evaluation mode, float32.

    Raises:
        CheckpointError: a file is missing or damaged, or the two contradict each other.
    """
    model = Segmenter(_read_config(folder / "config.json"))
    path = folder / "model.safetensors"
    check_fetched(path)
    try:
        model.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{path} does not hold the segmenter's weights: {error}") from error
    return model.requires_grad_(False).eval()


def _read_config(path: Path) -> SegmenterConfig:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        classes, targets = tuple(entries["classes"]), tuple(entries["targets"])
        return SegmenterConfig(classes, targets, entries["height"], entries["width"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is no segmenter config: {error!r}") from error
