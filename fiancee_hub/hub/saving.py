"""What ``save_pretrained`` writes: weights, config, and what was measured on these very weights."""

import hashlib
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelCard

from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.files import replacing
from fiancee_hub.hub.card import Origin, model_card
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, save_checkpoint, write_config
from fiancee_hub.hub.config import CheckpointConfig, read_config
from fiancee_hub.hub.examples import copy_examples
from fiancee_hub.hub.tensor_files import read_tensors

logger = logging.getLogger(__name__)

CARD, EVALUATION = "README.md", "evaluation.json"
PICTURES = (".jpg", ".png")
COMPANIONS = (CARD, EVALUATION, "training.json")


def save(
    folder: Path, model: EarlyExitModel, config: CheckpointConfig, source: Path | None
) -> None:
    """Writes a checkpoint that loads back bit for bit.

    If nothing was changed since it was loaded, its card, figures and pictures come along;
    otherwise they would speak of another model. Its examples come along in any case.

    Args:
        folder: created if missing.
        model: the weights.
        config: what they are.
        source: the folder that the model was loaded from.
    """
    if source is None:
        config = replace(config, domain=replace(config.domain, examples=()))
        save_checkpoint(folder, model, config, exact=True)
    elif not has_weights(source, model):
        save_checkpoint(folder, model, config, exact=True)
    elif source.resolve() == folder.resolve():
        write_config(folder, config)
    elif read_config(source / CONFIG) == config:
        _copy(source, folder)
    else:
        save_checkpoint(folder, model, config, exact=True)
    if source is not None and source.resolve() != folder.resolve():
        copy_examples(config.domain, source, folder)
    if (folder / EVALUATION).is_file() and evaluation_of(folder) is None:
        logger.warning(
            "%s holds a card and figures of other weights: run `evaluate`, or remove them", folder
        )


def has_weights(folder: Path, model: EarlyExitModel) -> bool:
    """Whether a checkpoint folder holds these very weights."""
    state = model.state_dict()
    try:
        stored = read_tensors(folder / WEIGHTS, state)
    except CheckpointError:
        return False
    return all(torch.equal(value.cpu(), stored[name]) for name, value in state.items())


def card_of(
    model: EarlyExitModel, config: CheckpointConfig, origin: Origin, source: Path | None
) -> ModelCard:
    """The card of a model, with figures if they were measured on these very weights."""
    figures = None
    if source is not None and has_weights(source, model):
        figures = evaluation_of(source)
    return model_card(config, origin, figures)


def evaluation_of(folder: Path) -> dict[str, Any] | None:
    """evaluation.json of a checkpoint folder, if it was measured on the weights beside it."""
    try:
        figures = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
        with (folder / WEIGHTS).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
    belongs = isinstance(figures, dict) and figures.get("model_sha256") == digest
    return figures if belongs else None


def _copy(source: Path, folder: Path) -> None:
    """Copies the checkpoint, byte for byte, and its companions."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, CONFIG):
        _copy_file(source / name, folder / name)
    for path in sorted(source.iterdir()):
        # A link could point at anything on this machine, and the folder may be pushed.
        if path.is_symlink() or not path.is_file():
            continue
        if path.name in COMPANIONS or path.suffix in PICTURES:
            _copy_file(path, folder / path.name)


def _copy_file(path: Path, target: Path) -> None:
    with replacing(target) as partial:
        shutil.copyfile(path, partial)
