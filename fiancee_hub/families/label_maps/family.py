"""Label maps: a map of classes goes in, a photograph comes out (after OASIS)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fiancee_hub.core.family import Commands, Family, Option
from fiancee_hub.families.label_maps.config import OasisConfig, check

if TYPE_CHECKING:
    from fiancee_hub.core.exits import Trunk
    from fiancee_hub.core.recipe import Recipe


def _trunk(shape: OasisConfig) -> "Trunk":
    from fiancee_hub.families.label_maps.generator import OasisGenerator

    return OasisGenerator(shape)


def _pipeline() -> type[Any]:
    from fiancee_hub.families.label_maps.pipeline import LabelMapPipeline

    return LabelMapPipeline


def _recipes() -> "Mapping[str, Recipe]":
    from fiancee_hub.families.label_maps.shapes import RECIPES

    return RECIPES


def _commands() -> Commands:
    from fiancee_hub.families.label_maps import commands

    return commands


FAMILY = Family(
    name="label_maps",
    config=OasisConfig,
    check=check,
    trunk=_trunk,
    pipeline=_pipeline,
    recipes=_recipes,
    inputs="a label map, or a folder of them",
    commands=_commands,
    options=(
        Option("--seed", int, "of the noise (0)", default=0),
        Option("--batch-size", int, "maps at once (8)", default=8, commands=("generate",)),
    ),
)
