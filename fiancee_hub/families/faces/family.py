"""Faces: a source person with the head pose and expression of a driver (after MegaPortraits)."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiancee_hub.core.family import Commands, Family, Option
from fiancee_hub.families.faces.config import PortraitConfig, check

if TYPE_CHECKING:
    from fiancee_hub.core.exits import Trunk
    from fiancee_hub.core.recipe import Recipe


def _trunk(shape: PortraitConfig) -> "Trunk":
    from fiancee_hub.families.faces.generator import PortraitGenerator

    return PortraitGenerator(shape)


def _pipeline() -> type[Any]:
    from fiancee_hub.families.faces.pipeline import FacesPipeline

    return FacesPipeline


def _recipes() -> "Mapping[str, Recipe]":
    from fiancee_hub.families.faces.shapes import RECIPES

    return RECIPES


def _commands() -> Commands:
    from fiancee_hub.families.faces import commands

    return commands


FAMILY = Family(
    name="faces",
    config=PortraitConfig,
    check=check,
    trunk=_trunk,
    pipeline=_pipeline,
    recipes=_recipes,
    inputs="a face",
    commands=_commands,
    options=(
        Option("--driver", Path, "picture or clip to take motion from"),
        Option("--reference", Path, "the driver's neutral picture"),
    ),
)
