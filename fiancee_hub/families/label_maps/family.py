"""Label maps: a map of classes goes in, a photograph comes out (after OASIS)."""

from argparse import ArgumentTypeError
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiancee_hub.core.family import Commands, Family, Option
from fiancee_hub.core.marking import FORMATS
from fiancee_hub.families.label_maps.config import OasisConfig, check

if TYPE_CHECKING:
    from fiancee_hub.core.exits import Trunk
    from fiancee_hub.core.recipe import Recipe
    from fiancee_hub.evaluation.parts import EvaluationParts
    from fiancee_hub.hub.card import CardParts
    from fiancee_hub.training.task import Task, TrainingRequest


def _trunk(shape: OasisConfig) -> "Trunk":
    from fiancee_hub.families.label_maps.generator import OasisGenerator

    return OasisGenerator(shape)


def _pipeline() -> type[Any]:
    from fiancee_hub.families.label_maps.pipeline import LabelMapPipeline

    return LabelMapPipeline


def _recipes() -> "Mapping[str, Recipe]":
    from fiancee_hub.families.label_maps.shapes import RECIPES

    return RECIPES


def _is_data(folder: Path) -> bool:
    return (folder / "classes.json").is_file()


def _task(request: "TrainingRequest") -> "Task":
    from fiancee_hub.families.label_maps.order import task_of

    return task_of(request)


def _prepare(request: "TrainingRequest", target: Path) -> None:
    from fiancee_hub.families.label_maps.order import prepare

    prepare(request, target)


def _evaluation() -> "EvaluationParts":
    from fiancee_hub.families.label_maps.judging.command import PARTS

    return PARTS


def _card() -> "CardParts":
    from fiancee_hub.families.label_maps.card import CARD

    return CARD


def _commands() -> Commands:
    from fiancee_hub.families.label_maps import commands

    return commands


def _reading(text: str) -> str:
    if text not in ("ids", "colours"):
        raise ArgumentTypeError(f"{text!r} is no reading: give ids or colours")
    return text


FAMILY = Family(
    name="label_maps",
    config=OasisConfig,
    check=check,
    trunk=_trunk,
    pipeline=_pipeline,
    is_data=_is_data,
    task=_task,
    prepare=_prepare,
    evaluation=_evaluation,
    card=_card,
    recipes=_recipes,
    exportable=True,
    inputs="a label map, or a folder of them",
    commands=_commands,
    options=(
        Option("--seed", int, "of the noise (0)", default=0),
        Option("--read", _reading, "a picture's pixels as ids or as colours (what fits)"),
        Option("--batch-size", int, "maps at once (8)", default=8, commands=("generate",)),
    ),
    writes=tuple(FORMATS),
)
