"""Seeds of the noise."""

from typing import Any

import torch

from fiancee_hub.core.arguments import whole
from fiancee_hub.core.errors import InputError

MAX_SEED = 2**63 - 1


def check_seed(seed: Any) -> int:
    """Raises an InputError unless ``seed`` is a whole number from 0 to 2**63 − 1."""
    return whole(seed, "seed", 0, MAX_SEED)


def chosen_seed(seed: Any, generator: torch.Generator | None) -> int:
    """The seed, or one that the generator draws.

    Raises:
        InputError: both are given, or either cannot be used.
    """
    if generator is None:
        return check_seed(seed)
    if check_seed(seed) != 0:
        raise InputError("give a seed or a generator, not both")
    return drawn(generator)


def drawn(generator: torch.Generator) -> int:
    """A seed from a generator on any device."""
    if not isinstance(generator, torch.Generator):
        raise InputError(f"generator must be a torch.Generator, not {type(generator).__name__}")
    device = generator.device
    return int(torch.randint(MAX_SEED, (), generator=generator, dtype=torch.int64, device=device))
