"""What another machine needs to go on training a backbone, small enough to keep with it."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fiancee_hub.training.state import load_state, save_state

FROZEN = {"discriminator": "encoder."}
"""Prefix of the weights that come with a package, not from training."""


def pack_backbone(state: Path, target: Path, facts: dict[str, Any]) -> None:
    """Writes generator, its average and discriminator as float16; optimizers start anew.

    Args:
        state: ``RUN/backbone/state.safetensors``.
        target: file to write.
        facts: ``images`` and ``hours`` trained so far, over all runs.
    """
    phase = load_state(state)["phase"]
    parts = {
        part: {name: _half(t) for name, t in phase[part].items() if not _frozen(part, name)}
        for part in ("generator", "average", "discriminator")
    }
    save_state(target, {"phase": parts, "images": facts["images"], "hours": facts["hours"]})


def _frozen(part: str, name: str) -> bool:
    return part in FROZEN and name.startswith(FROZEN[part])


def _half(tensor: Tensor) -> Tensor:
    return tensor.half() if _fits(tensor) else tensor


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
