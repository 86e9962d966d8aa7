"""What keeps its bits whatever runs the stages: positions, look-ups and predictions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def full_precision(like: Tensor | torch.device) -> Iterator[None]:
    """No autocast inside, and no TensorFloat-32 on an accelerator.

    Args:
        like: the device, or a tensor on it.
    """
    device = like.device if isinstance(like, Tensor) else like
    if device.type == "meta":
        yield
        return
    cudnn = torch.backends.cudnn
    tf32 = device.type == "cuda" and cudnn.allow_tf32
    with torch.autocast(device.type, enabled=False):
        if not tf32:
            yield
            return
        kept = {name: getattr(cudnn, name) for name in ("enabled", "benchmark", "deterministic")}
        with cudnn.flags(**kept, allow_tf32=False):
            yield


class Float32Module(nn.Module):
    """Stays float32 when the model around it is converted; devices change as usual."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """What ``.to``, ``.half`` and the like call."""
        kept: Callable[..., Any] = super()._apply
        return kept(lambda tensor: _float32_kept(tensor, fn(tensor)), recurse)


def _float32_kept(before: Tensor, after: Tensor) -> Tensor:
    if before.dtype == torch.float32 and after.dtype != torch.float32:
        return before.to(after.device)
    return after
