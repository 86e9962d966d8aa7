"""Faces: a source person with the head pose and expression of a driver (after MegaPortraits)."""

from argparse import ArgumentTypeError
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiancee_hub.core.family import Commands, Family, Option
from fiancee_hub.core.marking import FORMATS
from fiancee_hub.families.faces.config import PortraitConfig, check
from fiancee_hub.families.faces.formats import ANIMATIONS, VIDEOS

if TYPE_CHECKING:
    from fiancee_hub.core.exits import Trunk
    from fiancee_hub.core.recipe import Recipe
    from fiancee_hub.evaluation.parts import EvaluationParts
    from fiancee_hub.hub.card import CardParts
    from fiancee_hub.training.task import Task, TrainingRequest


def audio(text: str) -> str:
    """What to do with the sound of a clip.

    Raises:
        ArgumentTypeError: it is something else.
    """
    if text not in ("keep", "drop"):
        raise ArgumentTypeError(f"{text!r} is neither keep nor drop")
    return text


def _trunk(shape: PortraitConfig) -> "Trunk":
    from fiancee_hub.families.faces.generator import PortraitGenerator

    return PortraitGenerator(shape)


def _pipeline() -> type[Any]:
    from fiancee_hub.families.faces.pipeline import FacesPipeline

    return FacesPipeline


def _recipes() -> "Mapping[str, Recipe]":
    from fiancee_hub.families.faces.shapes import RECIPES

    return RECIPES


def _is_data(folder: Path) -> bool:
    return (folder / "frames.json").is_file()


def _task(request: "TrainingRequest") -> "Task":
    from fiancee_hub.families.faces.order import task_of

    return task_of(request)


def _evaluation() -> "EvaluationParts":
    from fiancee_hub.families.faces.judging.command import PARTS

    return PARTS


def _card() -> "CardParts":
    from fiancee_hub.families.faces.card import CARD

    return CARD


def _commands() -> Commands:
    from fiancee_hub.families.faces import commands

    return commands


FAMILY = Family(
    name="faces",
    config=PortraitConfig,
    check=check,
    trunk=_trunk,
    pipeline=_pipeline,
    is_data=_is_data,
    task=_task,
    evaluation=_evaluation,
    card=_card,
    recipes=_recipes,
    exportable=True,
    inputs="a face",
    commands=_commands,
    options=(
        Option("--driver", Path, "picture or clip to take motion from"),
        Option("--reference", Path, "the driver's neutral picture"),
        Option("--face", int, "which face of the source, as `faces` lists them (0)", 0),
        Option("--driver-face", int, "which face of the driver (0, the largest)", 0),
        Option(
            "--absolute",
            bool,
            "take a clip's head turns as they are, not its changes",
            False,
            ("generate",),
        ),
        Option("--audio", audio, "sound of a clip, keep or drop (keep)", "keep", ("generate",)),
    ),
    writes=(*FORMATS, *VIDEOS, *ANIMATIONS),
)
