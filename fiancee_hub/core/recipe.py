"""What a checkpoint is trained to be."""

from dataclasses import dataclass
from typing import Protocol, Self

from fiancee_hub.core.exits import ExitConfig, GuideConfig


class GeneratorConfig(Protocol):
    """Shape of a trunk: a frozen dataclass of a family, all of it written to config.json."""

    @property
    def height(self) -> int:
        """Of every picture, in pixels."""

    @property
    def width(self) -> int: ...

    @property
    def stages(self) -> int: ...

    def half_size(self) -> Self:
        """The same for pictures of half the height and width, to begin training with."""


@dataclass(frozen=True)
class Recipe:
    """What a checkpoint is trained to be: trunk, branches and guide bank."""

    generator: GeneratorConfig
    exits: tuple[ExitConfig, ...]
    guides: GuideConfig
