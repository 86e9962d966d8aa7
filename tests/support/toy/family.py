"""What the registry knows of the toy family."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fiancee_hub.core.family import Family
from fiancee_hub.hub.fields import bound

TABLE = "toy.json"
"""Marks a folder as data of this family; all of it is drawn."""


@dataclass(frozen=True)
class ToyConfig:
    """Shape of a generator whose stages double the size, beginning at a quarter."""

    side: int = 32
    channels: tuple[int, ...] = (12, 12, 8)

    @property
    def height(self) -> int:
        return self.side

    @property
    def width(self) -> int:
        return self.side

    @property
    def stages(self) -> int:
        return len(self.channels)

    @property
    def classes(self) -> int:
        return 0

    @property
    def traits(self) -> Mapping[str, str]:
        return {}

    def half_size(self) -> "ToyConfig":
        return replace(self, side=self.side // 2, channels=self.channels[:-1])


def _check(shape: ToyConfig) -> None:
    bound("generator.side", shape.side, 8, 256)
    bound("generator.channels", shape.stages, 2, 4)


def _trunk(shape: ToyConfig) -> Any:
    from toy.generator import ToyTrunk

    return ToyTrunk(shape)


def _pipeline() -> type[Any]:
    from toy.pipeline import ToyPipeline

    return ToyPipeline


def _recipes() -> Mapping[str, Any]:
    from toy.task import RECIPE

    return {"discs": RECIPE}


def _commands() -> Any:
    from toy import commands

    return commands


def _is_data(folder: Path) -> bool:
    return (folder / TABLE).is_file()


def _task(request: Any) -> Any:
    from toy.task import ToyTask

    return ToyTask()


def _evaluation() -> Any:
    from toy.evaluation import PARTS

    return PARTS


def _card() -> Any:
    from fiancee_hub.hub.card import CardParts

    return CardParts(
        title="a disc of a colour",
        summary="A colour and a size go in, a disc comes out.",
        call="result = pipe((1.0, 0.5, 0.0), size=0.5, budget=0.1)",
        paper="nobody",
        inputs="discs",
    )


FAMILY = Family(
    name="toy",
    config=ToyConfig,
    check=_check,
    trunk=_trunk,
    pipeline=_pipeline,
    is_data=_is_data,
    task=_task,
    evaluation=_evaluation,
    card=_card,
    recipes=_recipes,
    inputs="a text of three numbers, the colour",
    commands=_commands,
)
