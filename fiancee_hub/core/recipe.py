"""What a checkpoint is trained to be."""

from collections.abc import Mapping
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

    @property
    def classes(self) -> int:
        """Ids in a label map; 0 where the inputs are no label maps."""

    @property
    def traits(self) -> Mapping[str, str]:
        """What else there is to say of it in a line, such as its modulation."""

    def half_size(self) -> Self:
        """The same for pictures of half the height and width, to begin training with."""


def first_exit(generator: GeneratorConfig) -> int:
    """Trunk stages that run before the earliest branch: 1, unless the shape's ``first_exit`` says
    0, where a family has a picture before its first stage."""
    return int(getattr(generator, "first_exit", 1))


@dataclass(frozen=True)
class Recipe:
    """What a checkpoint is trained to be: trunk, branches and guide bank."""

    generator: GeneratorConfig
    exits: tuple[ExitConfig, ...]
    guides: GuideConfig
