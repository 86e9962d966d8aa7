"""Which weights something was made with."""

import hashlib
from collections.abc import Mapping

from torch import Tensor

SHORT = 12
"""Digits that tell files of one folder apart."""


def digest_of(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors with their names, in hexadecimal; their order does not matter."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
