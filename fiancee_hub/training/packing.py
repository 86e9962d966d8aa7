"""What another machine needs to go on training a backbone, small enough to keep with it."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fiancee_hub.training.state import load_state, save_state

FROZEN = "encoder."
"""Weights of the discriminator that come with a package, not from training."""


def pack_backbone(state: Path, target: Path, facts: dict[str, Any]) -> None:
    """Writes generator, its average and discriminator as float16; optimizers start anew.

    Args:
        state: ``RUN/backbone/state.safetensors``.
        target: file to write.
        facts: ``images`` and ``hours`` trained so far, over all runs.
    """
    phase = load_state(state)["phase"]
    parts = {name: _halved(phase[name]) for name in ("generator", "average", "discriminator")}
    save_state(target, {"phase": parts, "images": facts["images"], "hours": facts["hours"]})


def _halved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: tensor.half() if _fits(tensor) else tensor
        for name, tensor in tensors.items()
        if not name.startswith(FROZEN)
    }


def _fits(tensor: Tensor) -> bool:
    """Whether float16 holds the values: weights yes, a running variance perhaps not."""
    limit = torch.finfo(torch.float16).max
    return tensor.is_floating_point() and bool((tensor.abs() < limit).all())


def unpack(path: Path) -> dict[str, Any]:
    """Reads what ``pack_backbone`` wrote, as float32."""
    packed = load_state(path)
    packed["phase"] = {
        part: {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()
        }
        for part, tensors in packed["phase"].items()
    }
    return packed
