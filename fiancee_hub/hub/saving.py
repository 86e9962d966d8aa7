"""What ``save_pretrained`` writes: weights, config, and what was measured on these very weights."""

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, ModelCard

from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.files import replacing, sha256_of
from fiancee_hub.hub.card import Origin, model_card
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, plain_state, save_checkpoint, write_config
from fiancee_hub.hub.config import CheckpointConfig, read_config
from fiancee_hub.hub.download import Snapshot, quiet_client
from fiancee_hub.hub.examples import copy_examples
from fiancee_hub.hub.reasons import push_reason
from fiancee_hub.hub.tensor_files import read_tensors

logger = logging.getLogger(__name__)

CARD, EVALUATION = "README.md", "evaluation.json"
PICTURES = (".jpg", ".png")
NOTES = "training.json"
"""What the phases of the training have cost."""

COMPANIONS = (CARD, EVALUATION, NOTES)
TRAINING_STATE = "resume.safetensors"
"""What training goes on from; of no use to anyone else."""

GIT_ATTRIBUTES = ".gitattributes"
"""The Hub gives every repository its own."""


def save(
    folder: Path,
    model: EarlyExitModel,
    config: CheckpointConfig,
    source: Path | None,
    *,
    snapshot: Snapshot | None = None,
    training_state: bool = False,
) -> None:
    """Writes a checkpoint that loads back bit for bit.

    If nothing was changed since it was loaded, its card, figures and pictures come along, and
    from the Hub all files of the repository; otherwise they would speak of another model. Its
    examples come along in any case.

    Args:
        folder: created if missing.
        model: the weights.
        config: what they are.
        source: the folder that the model was loaded from.
        snapshot: the repository that it was loaded from.
        training_state: take along what training goes on from, as large as the model several times.
    """
    if source is None:
        config = replace(config, domain=replace(config.domain, examples=()))
        save_checkpoint(folder, model, config, exact=True)
    elif not has_weights(source, model):
        save_checkpoint(folder, model, config, exact=True)
    elif source.resolve() == folder.resolve():
        write_config(folder, config)
    elif read_config(source / CONFIG) == config:
        _copy(_companions(source, snapshot, training_state), folder)
    else:
        save_checkpoint(folder, model, config, exact=True)
    if source is not None and source.resolve() != folder.resolve():
        copy_examples(config.domain, source, folder)
    if (folder / EVALUATION).is_file() and evaluation_of(folder) is None:
        logger.warning(
            "%s holds a card and figures of other weights: run `evaluate`, or remove them", folder
        )


def has_weights(
    folder: Path, model: EarlyExitModel, *, rounded: bool = False, weights: str = WEIGHTS
) -> bool:
    """Whether a checkpoint folder holds these very weights.

    Args:
        folder: of the checkpoint.
        model: in any type.
        rounded: or what becomes of them in the model's type.
        weights: name of the file in it.
    """
    state = plain_state(model)
    try:
        stored = read_tensors(folder / weights, state)
    except CheckpointError:
        return False
    for name, value in state.items():
        like = stored[name].to(value.dtype) if rounded else stored[name]
        if not torch.equal(value.cpu().double(), like.double()):
            return False
    return True


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
        digest = sha256_of(folder / WEIGHTS)
    except (OSError, ValueError):
        return None
    belongs = isinstance(figures, dict) and figures.get("model_sha256") == digest
    return figures if belongs else None


def _companions(source: Path, snapshot: Snapshot | None, training_state: bool) -> dict[str, Path]:
    """Files by their names below the folder that go with an unchanged checkpoint."""
    left_out = {GIT_ATTRIBUTES} if training_state else {GIT_ATTRIBUTES, TRAINING_STATE}
    files = {name: source / name for name in (WEIGHTS, CONFIG)}
    if snapshot is None:
        return files | _beside(source, training_state)
    try:
        return files | snapshot.fetch(without=left_out)
    except CheckpointError as error:
        logger.warning("Card, figures and pictures may be missing from what is saved: %s", error)
        found = (path for path in source.rglob("*") if path.is_file())
        there = {path.relative_to(source).as_posix(): path for path in found}
        return files | {name: path for name, path in there.items() if name not in left_out}


def _beside(source: Path, training_state: bool) -> dict[str, Path]:
    found = {}
    for path in sorted(source.iterdir()):
        # A link could point at anything on this machine, and the folder may be pushed.
        if path.is_symlink() or not path.is_file() or path.name.startswith("."):
            continue
        wanted = path.name in COMPANIONS or path.suffix in PICTURES
        if wanted or (training_state and path.name == TRAINING_STATE):
            found[path.name] = path
    return found


def _copy(files: Mapping[str, Path], folder: Path) -> None:
    """Copies files, byte for byte, each at once or not at all."""
    for name, path in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.stat().st_size:
            with replacing(target) as partial:
                shutil.copyfile(path, partial)
        else:
            target.write_bytes(b"")


def push(folder: Path, repository: str, token: str | bool | None, **options: Any) -> str:
    """Uploads a folder as one commit; the repository is made if it is missing.

    Args:
        folder: what to upload.
        repository: ``"user/repo"``.
        token: that may write there; the client's own if left out.
        options: ``private``, and those of ``HfApi.upload_folder``.

    Returns:
        address of the commit.

    Raises:
        CheckpointError: the Hub refused it or cannot be reached.
    """
    api = HfApi(token=token)
    try:
        with quiet_client():
            made = api.create_repo(repository, private=options.pop("private", None), exist_ok=True)
            commit = api.upload_folder(repo_id=made.repo_id, folder_path=folder, **options)
    except Exception as error:
        raise CheckpointError(f"repository '{repository}' {push_reason(error)}") from error
    return str(commit)
