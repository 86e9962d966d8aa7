"""Where a model runs and in which type: what ``.to(…)`` of a pipeline accepts."""

from typing import Any

import torch

from fiancee_hub.core.errors import InputError

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
"""Types that a model can be run in."""

CPU = torch.device("cpu")


def place(
    arguments: tuple[Any, ...], device: Any = None, dtype: Any = None
) -> tuple[torch.device | None, torch.dtype | None]:
    """The device and the type that ``.to(*arguments, device=…, dtype=…)`` means; None: as it is.

    Raises:
        InputError: one of them is given twice, unknown, or cannot be used on this machine.
    """
    for argument in arguments:
        if isinstance(argument, torch.dtype):
            if dtype is not None:
                raise InputError("the type is given twice: leave one out")
            dtype = argument
        elif device is not None:
            raise InputError("the device is given twice: leave one out")
        else:
            device = argument
    return (
        None if device is None else _usable(device),
        None if dtype is None else _runnable(dtype),
    )


def wait_for(device: torch.device) -> None:
    """Until the device has done what it was given: clocks tell nothing before."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type in ("mps", "xpu"):
        getattr(torch, device.type).synchronize()


def _usable(device: Any) -> torch.device:
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"{device!r} is no device: give one such as 'cpu' or 'cuda'") from error
    if found.type == "meta":
        raise InputError("on the device 'meta' tensors hold no values: give one such as 'cpu'")
    try:
        torch.empty(0, device=found)
    # Every backend has errors of its own for what it lacks.
    except Exception as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise InputError(f"the device '{found}' cannot be used here: {reason}") from error
    return found


def _runnable(dtype: Any) -> torch.dtype:
    if dtype not in DTYPES:
        names = ", ".join(str(known) for known in DTYPES)
        raise InputError(f"a model cannot run in {dtype}: give one of {names}")
    found: torch.dtype = dtype
    return found
