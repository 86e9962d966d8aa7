"""Which exits a model has, in a word: ``1:6,2:4`` leaves after stage 1, then after stage 2."""

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.exits import ExitConfig

MOST = 16
LEAST_SCALE, LARGEST_SCALE = 1.0, 64.0


def parse_ladder(text: str) -> tuple[ExitConfig, ...]:
    """Exits as ``STAGE:SCALE,…``, such as ``1:6,2:4,4:1.25``.

    Raises:
        InputError: it is no such list, or names an exit twice.
    """
    found = tuple(_parsed(word.strip()) for word in text.split(","))
    if len(set(found)) < len(found):
        raise InputError(f"--exits {text} names an exit twice: leave one of them out")
    if len(found) > MOST:
        raise InputError(f"--exits names {len(found)} exits: give at most {MOST}")
    return found


def _parsed(word: str) -> ExitConfig:
    stage, _, scale = word.partition(":")
    try:
        found = ExitConfig(int(stage), float(scale))
    except ValueError:
        raise InputError(
            f"--exits: {word!r} is no exit: give its stage and scale factor, such as 1:6"
        ) from None
    if not LEAST_SCALE <= found.scale_factor <= LARGEST_SCALE:
        raise InputError(
            f"--exits: {word!r} has no scale factor from {LEAST_SCALE:g} to {LARGEST_SCALE:g}"
        )
    return found


def check_ladder(exits: tuple[ExitConfig, ...], stages: int, first: int = 1) -> None:
    """Raises an InputError if one of the exits leaves where a trunk of ``stages`` has no branch;
    the earliest leaves after ``first``."""
    for entry in exits:
        if not first <= entry.stage <= stages - 2:
            raise InputError(
                f"--exits: {entry.stage}:{entry.scale_factor:g} leaves after stage {entry.stage}, "
                f"but branches of this generator leave after stage {first} to {stages - 2}"
            )
