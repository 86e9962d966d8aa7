"""Shape of the faces' generator, as config.json lists it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fiancee_hub.hub.fields import FieldError, bound, check_size


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
        mask_channels: width of the network that says, at the size of every stage, where the
            warped source is erased before it is painted over; 0: nothing is erased.
    """

    size: int
    channels: tuple[int, ...]
    encoder: tuple[int, ...]
    depth: int = 8
    blocks: int = 1
    motion_channels: int = 48
    descriptor: int = 128
    mask_channels: int = 0

    @property
    def height(self) -> int:
        return self.size

    @property
    def width(self) -> int:
        return self.size

    @property
    def stages(self) -> int:
        return len(self.channels)

    @property
    def classes(self) -> int:
        """None: the inputs are no label maps."""
        return 0

    @property
    def first_exit(self) -> int:
        """Trunk stages before the earliest branch: the source's warp alone is a picture."""
        return 0

    def stage_size(self, stage: int) -> int:
        """Side of the features that leave stage ``stage`` (0-based)."""
        return self.size // 2 ** (self.stages - 1 - max(stage, 1))

    def warped_channels(self, stage: int) -> int:
        """Channels of what the source gives to a stage: its features, or at the end its pixels."""
        level = len(self.encoder) - max(stage, 1)
        return self.encoder[level] if level >= 0 else 3

    @property
    def traits(self) -> Mapping[str, str]:
        return {"erasing masks": str(self.stages - 1)} if self.mask_channels else {}

    def half_size(self) -> "PortraitConfig":
        """The same generator without its last stage, for the first part of the training."""
        return replace(self, size=self.size // 2, channels=self.channels[:-1])


def check(shape: PortraitConfig) -> None:
    """Refuses shapes that no real model has, before anything is built from them.

    Raises:
        FieldError: naming the field of config.json.
    """
    bound("generator.channels", shape.stages, 3, 8)
    bound("generator.encoder", len(shape.encoder), 1, shape.stages)
    check_size("generator.size", shape.size, 2**shape.stages)
    for field, values, low, high in (
        ("generator.channels", shape.channels, 1, 4096),
        ("generator.encoder", shape.encoder, 1, 4096),
        ("generator.depth", (shape.depth,), 1, 64),
        ("generator.blocks", (shape.blocks,), 1, 16),
        ("generator.motion_channels", (shape.motion_channels,), 1, 1024),
        ("generator.descriptor", (shape.descriptor,), 1, 4096),
    ):
        for value in values:
            bound(field, value, low, high)
    bound("generator.mask_channels", shape.mask_channels, 0, 1024)
    if shape.encoder[-1] % shape.depth:
        raise FieldError("generator.depth", "does not divide the last of generator.encoder")
    if len(shape.encoder) not in (shape.stages - 2, shape.stages - 1):
        raise FieldError("generator.encoder", "does not reach from the picture to the volume")
