"""Seeds of the noise, as the page has them."""

from fiancee_hub.core.errors import InputError

SEEDS = 2**31
"""A new seed is drawn below."""


def whole(seed: float | None) -> int:
    """A seed as the number field gives it.

    Raises:
        InputError: the field is empty.
    """
    if seed is None:
        raise InputError("The seed is empty: type a whole number or press New seed.")
    return int(seed)
