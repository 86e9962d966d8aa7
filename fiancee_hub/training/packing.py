"""What another machine needs to go on training, small enough to keep with a checkpoint."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from fiancee_hub.core.errors import CheckpointError, DataError
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.hub.checkpoints import build, load_checkpoint, resolve, stored
from fiancee_hub.hub.config import CheckpointConfig, parse_config, to_json
from fiancee_hub.hub.saving import NOTES, TRAINING_STATE
from fiancee_hub.training.discriminator import Discriminator
from fiancee_hub.training.state import load_state, save_state

FROZEN = {"discriminator": "encoder."}
"""Prefix of the weights that come with a package, not from training."""


EXITS = "exits"

NOTHING: Mapping[str, float] = MappingProxyType({"images": 0, "hours": 0.0})
"""What training has cost that has not begun."""


def pack_backbone(phase: dict[str, Any], target: Path, facts: dict[str, Any]) -> None:
    """Writes generator, its average and discriminator as float16; optimizers start anew.

    Args:
        phase: state of the phase.
        target: file to write.
        facts: ``images`` and ``hours`` trained so far, over all runs.
    """
    parts = {part: _packed(part, phase[part]) for part in ("generator", "average", "discriminator")}
    save_state(target, {"phase": parts, "images": facts["images"], "hours": facts["hours"]})


@dataclass(frozen=True)
class PackedExits:
    """What goes on with branches and predictor.

    Args:
        model: trunk, guides, branches and predictor.
        config: of its checkpoint.
        discriminator: of the branches, complete.
        notes: of the run, with what each phase had cost.
    """

    model: EarlyExitModel
    config: CheckpointConfig
    discriminator: dict[str, Tensor]
    notes: dict[str, Any]


def save_exits(
    target: Path,
    model: EarlyExitModel,
    config: CheckpointConfig,
    branches: dict[str, Any] | None,
    notes: dict[str, Any],
    earlier: Mapping[str, float],
) -> None:
    """Writes a checkpoint with what its branches were trained against, as float16.

    Args:
        target: file to write.
        model: of the checkpoint.
        config: its config.
        branches: state of the branches' training, which may be ahead of the checkpoint.
        notes: of the run; what they say of the branches may be older than the state.
        earlier: images and hours of the branches before the run.

    Raises:
        DataError: no branches have been trained.
    """
    if branches is None:
        raise DataError("there is no state of branches to pack: run `train branches` first")
    phase = branches["phase"]
    weights = model.state_dict() | phase["branches"]
    cost = {
        "images": branches["images"] + earlier["images"],
        "hours": branches["seconds"] / 3600 + earlier["hours"],
    }
    content = {
        "kind": EXITS,
        "config": to_json(config),
        "phase": {
            "model": {name: stored(name, tensor) for name, tensor in weights.items()},
            "discriminator": _packed("discriminator", phase["discriminator"]),
        },
        "notes": notes | {"branches": notes.get("branches", {}) | cost},
    }
    save_state(target, content)


def pack_checkpoint(checkpoint: str, target: Path) -> None:
    """Writes what ``save_exits`` would have, from a finished checkpoint: its branches train on.

    What they were trained against is in no checkpoint. The backbone's discriminator, with which
    theirs began, is in the training state beside it, and takes its place.

    Args:
        checkpoint: a folder, ``"user/repo"`` or ``"user/repo@revision"``.
        target: file to write.

    Raises:
        CheckpointError: it cannot be loaded.
        DataError: it has no branches, or no training state.
    """
    folder = resolve(checkpoint)
    model, config = load_checkpoint(folder)
    if not config.exits:
        raise DataError(f"{checkpoint} has no branches: train some with `train all --from`")
    if not (folder / TRAINING_STATE).is_file():
        raise DataError(f"{checkpoint} has no {TRAINING_STATE}: put its training state beside it")
    noted = folder / NOTES
    notes = json.loads(noted.read_text(encoding="utf-8")) if noted.is_file() else {}
    discriminator = unpack(folder / TRAINING_STATE)["phase"]["discriminator"]
    phase = {"branches": {}, "discriminator": discriminator}
    state = {"phase": phase, "images": 0, "seconds": 0.0}
    save_exits(target, model, config, state, notes, notes.get("branches", NOTHING))


def load_exits(path: Path) -> PackedExits:
    """Reads what ``save_exits`` wrote, as float32.

    Raises:
        CheckpointError: the file is damaged or of another kind.
    """
    packed = unpack(path)
    if packed.get("kind") != EXITS:
        raise CheckpointError(f"{path} has no branches: make it with `train pack --of exits`")
    config = parse_config(json.loads(packed["config"]), path)
    model = build(config).eval()
    model.load_state_dict(packed["phase"]["model"])
    classes = packed["phase"]["discriminator"]["classify.weight"].shape[0] - 1
    whole = Discriminator(classes).state_dict() | packed["phase"]["discriminator"]
    return PackedExits(model, config, whole, packed["notes"])


def packed_config(path: Path) -> CheckpointConfig | None:
    """Of the checkpoint that a packed file carries; None if it is a backbone's."""
    packed = load_state(path)
    if packed.get("kind") != EXITS:
        return None
    return parse_config(json.loads(packed["config"]), path)


def _packed(part: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: _half(t) for name, t in tensors.items() if not _frozen(part, name)}


def _frozen(part: str, name: str) -> bool:
    return part in FROZEN and name.startswith(FROZEN[part])


def _half(tensor: Tensor) -> Tensor:
    return tensor.half() if _fits(tensor) else tensor


def _fits(tensor: Tensor) -> bool:
    """Whether float16 holds the values: weights yes, a running variance perhaps not."""
    limit = torch.finfo(torch.float16).max
    return tensor.is_floating_point() and bool((tensor.abs() < limit).all())


def unpack(path: Path) -> dict[str, Any]:
    """Reads what ``pack_backbone`` or ``save_exits`` wrote, as float32."""
    packed = load_state(path)
    packed["phase"] = {
        part: {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()
        }
        for part, tensors in packed["phase"].items()
    }
    return packed
