"""What callers pass, in whichever library's types they have it, as Python's own.

NumPy's and torch's numbers look like Python's, but cannot be written to JSON, and a budget of 0.1
in single precision is 0.10000000149, in half precision 0.0999756.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fiancee_hub.core.errors import InputError

_MOST_DIGITS = 17
"""Decimal digits that tell all numbers of double precision apart."""


_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://|data:", re.IGNORECASE)
"""How an address begins, which ``Path`` would take for a folder's name."""

_LONGEST_NAME = 100
"""Characters of a path that an error repeats."""

INSTEAD = {
    "torch_dtype": "give dtype=",
    "device_map": "give device=, one device holds the whole model",
    "config": "the checkpoint's own config is used",
    "use_safetensors": "nothing else is ever read",
    "trust_remote_code": "no code of a checkpoint is ever run",
}
"""What to do instead, for arguments that similar libraries have."""


def refuse_unknown(function: str, unknown: Mapping[str, object]) -> None:
    """Refuses what a function does not know, instead of ignoring it.

    Raises:
        InputError: naming the first.
    """
    for name in unknown:
        raise InputError(f"{function} takes no '{name}': {INSTEAD.get(name, 'leave it out')}")


def whole(value: object, name: str, low: int, high: int | None = None) -> int:
    """A whole number, also of NumPy or torch.

    Raises:
        InputError: it is none, or out of range.
    """
    number = _scalar(value)
    if isinstance(number, bool) or not isinstance(number, Integral):
        raise InputError(f"{name} must be a whole number, not {type(value).__name__}")
    found = int(number)
    if found < low or (high is not None and found > high):
        span = f"{low} or more" if high is None else f"{low} to {high}"
        raise InputError(f"{name} {found} is out of range: give {span}")
    return found


def decimal(value: object, name: str, example: str) -> float:
    """A number in any precision as the decimal that it stands for.

    Raises:
        InputError: it is no number.
    """
    number = _scalar(value)
    if isinstance(number, bool) or not isinstance(number, Real | Decimal):
        raise InputError(f"{name} must be a number such as {example}, not {type(value).__name__}")
    try:
        exact = float(number)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{name} must be a number such as {example}, not {value}") from error
    return shortest(exact, _rounding(value))


def shortest(number: float, rounded: Callable[[float], float] | None = None) -> float:
    """The shortest decimal that ``number`` is the nearest value of.

    Args:
        number: any.
        rounded: a decimal in the number's own precision; None: single precision, if the number
            has no more than that, as what ``tensor.item()`` returns.
    """
    if rounded is None:
        rounded = _single
        if not abs(number) < float(np.finfo(np.float32).max) or rounded(number) != number:
            return number
    candidates = (float(f"{number:.{digits}g}") for digits in range(1, _MOST_DIGITS + 1))
    return next((candidate for candidate in candidates if rounded(candidate) == number), number)


def several(values: Any, name: str, each: str) -> Iterable[Any]:
    """``values`` if they are many; a path, a picture or a number is one.

    Args:
        values: a list, an array, a generator or alike.
        name: of the argument.
        each: what it is a list of.

    Raises:
        InputError: it is one thing, or a table by name.
    """
    one = (str, bytes, os.PathLike, Image.Image, Mapping)
    if isinstance(values, one) or not _is_iterable(values):
        raise InputError(f"{name} must be a list of {each}, not {type(values).__name__}")
    found: Iterable[Any] = values
    return found


def check_path(value: Any, name: str) -> Path:
    """A path.

    Raises:
        InputError: it is none, such as a list of them, or an empty text.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        raise InputError(f"{name} must be one path, not {type(value).__name__}")
    # An empty one would mean the current folder.
    if not text or "\0" in text:
        raise InputError(f"{name} is {text!r}: give a path")
    return Path(text)


def check_file(value: str | os.PathLike[str]) -> Path:
    """The path of a file that is there and may be read.

    Raises:
        InputError: it is none, or an address.
    """
    text = os.fspath(value)
    path, shown = Path(text), text[:_LONGEST_NAME]
    if _ADDRESS.match(shown):
        raise InputError(f"{shown} is an address: download it, then pass its path or its bytes")
    try:
        if not path.is_file():
            raise InputError(f"There is no file {path}: check the path")
        path.open("rb").close()
    except OSError as error:
        raise InputError(f"{shown} cannot be read ({error.strerror}): check the path") from error
    return path


def _is_iterable(values: Any) -> bool:
    try:
        iter(values)
    except TypeError:  # arrays and tensors without a dimension as well
        return False
    return True


def _scalar(value: Any) -> Any:
    """What a scalar, array or tensor without dimensions holds; anything else as it is."""
    if getattr(value, "shape", None) != ():
        return value
    try:
        return value.item()
    except Exception:  # a tensor that holds no data
        return None


def _rounding(value: Any) -> Callable[[float], float] | None:
    """What rounds to the half precision of a NumPy or torch number; None for other precisions."""
    if not str(getattr(value, "dtype", "")).endswith("float16"):
        return None
    if isinstance(value, np.generic | np.ndarray):
        return lambda number: float(np.float16(number))
    return lambda number: float(value.detach().new_tensor(number))


def _single(number: float) -> float:
    return float(np.float32(number))
