"""Shape of the label maps' generator, as config.json lists it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from fiancee_hub.hub.fields import FieldError, bound, check_size


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

    @property
    def traits(self) -> Mapping[str, str]:
        return {"modulation": self.modulation}

    def half_size(self) -> "OasisConfig":
        """The same generator without its last stage, for the first part of the training."""
        return replace(
            self,
            height=self.height // 2,
            width=self.width // 2,
            channels=self.channels[:-1],
            hidden=self.hidden[:-1],
        )


def check(shape: OasisConfig) -> None:
    """Refuses shapes that no real model has, before anything is built from them.

    Raises:
        FieldError: naming the field of config.json.
    """
    stages = shape.stages
    bound("generator.channels", stages, 3, 8)
    for name in ("height", "width"):
        check_size(f"generator.{name}", getattr(shape, name), 2 ** (stages - 1))
    for field, values, low, high in (
        ("generator.channels", shape.channels, 1, 4096),
        ("generator.hidden", shape.hidden, 1, 1024),
        ("generator.noise_channels", (shape.noise_channels,), 1, 1024),
        ("generator.classes", (shape.classes,), 2, 256),
    ):
        for value in values:
            bound(field, value, low, high)
    needed = shape.modulation == "shared" or shape.hidden
    if needed and len(shape.hidden) != stages:
        raise FieldError("generator.hidden", f"has {len(shape.hidden)} values, not {stages}")
