"""Cards of measured checkpoints, and their figures in a README."""

import json
import os
from pathlib import Path
from typing import Any

from fiancee_hub.core.errors import CheckpointError, DataError
from fiancee_hub.core.files import write_text
from fiancee_hub.hub.card import measured_on, model_card, parts_of
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.measuring import tables

CARD, TRAINING = "README.md", "training.json"

Figures = dict[str, Any]


def write_card(folder: Path, config: CheckpointConfig, figures: Figures) -> None:
    """Writes README.md from config.json, evaluation.json and training.json.

    Raises:
        CheckpointError: the checkpoint is not calibrated.
    """
    if config.calibration is None:
        raise CheckpointError(f"{folder} has no calibration: run `train calibrate` first")
    notes = folder / TRAINING
    card = model_card(
        config,
        figures=figures,
        training=json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else None,
        files=[path.name for path in folder.iterdir()],
    )
    write_text(folder / CARD, str(card))


def figures_in_short(config: CheckpointConfig, figures: Figures) -> list[str]:
    """Tables for the terminal and for a README."""
    return [
        tables.budgets(figures["budgets"]),
        tables.exits(figures),
        *parts_of(config).readme(figures),
    ]


def markers(name: str) -> tuple[str, str]:
    """Lines of a README between which a checkpoint's figures stand."""
    return f"<!-- figures:{name} -->", f"<!-- /figures:{name} -->"


def around(readme: Path, folder: Path) -> tuple[str, str]:
    """What a README has before and after a checkpoint's figures and their markers.

    Raises:
        DataError: it lacks the markers.
    """
    first, last = markers(folder.resolve().name)
    before, opening, rest = readme.read_text(encoding="utf-8").partition(first)
    _, closing, after = rest.partition(last)
    if not (opening and closing):
        raise DataError(f"{readme} lacks the lines {first} and {last}, in this order")
    return before, after


def write_into_readme(path: Path, folder: Path, config: CheckpointConfig, figures: Figures) -> None:
    """Replaces what stands between a checkpoint's markers in a README.

    The markers go by the name of the checkpoint's folder.

    Raises:
        DataError: the README lacks them; it is left as it was.
    """
    (before, after), (opening, closing) = around(path, folder), markers(folder.resolve().name)
    card = Path(os.path.relpath(folder.resolve() / CARD, path.resolve().parent)).as_posix()
    parts = (
        f"Measured on {measured_on(config, figures)}; the [model card]({card}) says what each "
        "column means.",
        *figures_in_short(config, figures),
    )
    body = "\n\n".join((opening, *parts, closing))
    write_text(path, before + body + after)
