"""Where a caller's ``torch.autocast`` must not reach: positions, look-ups and predictions."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(like: Tensor | torch.device) -> AbstractContextManager[object]:
    """No autocast inside, on the device of ``like``."""
    device = like.device if isinstance(like, Tensor) else like
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)
